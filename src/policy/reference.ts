import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { appendFile, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { cacheFolder, linesOf } from '../files/index.ts'
import { show } from '../graph/index.ts'
import { fedTo } from './edit.ts'
import { joinTrees, LONGEST_JOINED } from './join-trees.ts'
import { keyFrom, logpTable } from './logp-table.ts'
import type { Policy } from './policy.ts'
import type { Tree } from './rows.ts'
import { scoreTrees } from './score.ts'

/** Log-probabilities under the reference model, computed once and remembered by content. */
export interface Reference {
  /** One number per completion, in the order of trees and completions; nats. */
  logps(trees: readonly Tree[], onBatch?: (done: number, of: number) => void): Promise<number[]>
  /** Keeps what the reference itself said of its own samples, so that they need not be scored again. */
  remember(trees: readonly Tree[], logps: readonly number[]): Promise<void>
}

/**
 * The reference's log-probabilities, kept in a file per model: the key of an entry is a hash of the prompt's and the completion's ids.
 * A file that is torn or lost costs time, never correctness.
 *
 * limits  of a file of more than some two million entries the newest are known, the others are scored again; a policy with edits has no file: what an edit is does not outlive the process. It remembers, by what is fed to its edits
 */
export async function openReference(policy: Policy, modelHash: string, folder = join(cacheFolder(), 'reference')): Promise<Reference> {
  const file = policy.edits ? undefined : join(folder, `${modelHash.slice(0, 16)}.jsonl`)
  const known = logpTable()
  for await (const line of file === undefined ? [] : linesIn(file)) {
    const [, key, logp] = /^\["([0-9a-f]{40})",(-?[\d.e+-]+)\]$/.exec(line) ?? []
    if (key) known.set(keyFrom(key), Number(logp))
    known.trim()
  }
  const isKnown = (key: string) => known.get(keyFrom(key)) !== undefined
  const keep = async (fed: string, trees: readonly Tree[], logps: readonly number[]) => {
    const keys = trees.flatMap(({ prompt, completions }) => completions.map((completion) => keyOf(fed, prompt, completion)))
    const fresh = keys.flatMap((key, i) => (isKnown(key) ? [] : [[key, logps[i]!] as const]))
    for (const [key, logp] of fresh) known.set(keyFrom(key), logp)
    if (file === undefined) return
    await mkdir(dirname(file), { recursive: true }).catch(() => {})
    await appendFile(file, fresh.map((entry) => `${JSON.stringify(entry)}\n`).join('')).catch(() => {})
  }
  return {
    remember: async (trees, logps) => keep(await fedHash(policy), trees, logps),
    async logps(trees, onBatch) {
      known.trim()
      const fed = await fedHash(policy)
      const keys = trees.map(({ prompt, completions }) => completions.map((completion) => keyOf(fed, prompt, completion)))
      const missing = trees.filter((_, i) => keys[i]!.some((key) => !isKnown(key)))
      if (missing.length > 0) {
        const shared = joinTrees(missing, LONGEST_JOINED).map(({ tree }) => tree)
        const scores = await scoreTrees(policy, shared, {}, onBatch)
        await policy.rest()
        await keep(fed, shared, scores)
      }
      return keys.flat().map((key) => known.get(keyFrom(key))!)
    },
  }
}

/** The lines of a file, one at a time; none where it cannot be read. */
async function* linesIn(file: string): AsyncGenerator<string> {
  try {
    for await (const { bytes } of linesOf(createReadStream(file))) yield bytes.toString('latin1')
  } catch {
    // What was read stands; the rest is scored again.
  }
}

/** What is fed to a policy's edits, as a hash; nothing without edits. */
async function fedHash(policy: Policy): Promise<string> {
  const fed = Object.entries(fedTo(policy))
  if (fed.length === 0) return ''
  const hash = createHash('sha1')
  for (const [name, one] of fed) {
    const { data } = 'slot' in one ? await policy.engine.read(one) : one
    hash.update(`${name} ${show(one)} `).update(data as Float32Array)
  }
  return hash.digest('hex')
}

function keyOf(fed: string, prompt: readonly number[], completion: readonly number[]): string {
  return createHash('sha1').update(fed).update(Int32Array.from(prompt)).update('|').update(Int32Array.from(completion)).digest('hex')
}
