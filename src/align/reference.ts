import { createHash } from 'node:crypto'
import { appendFile, mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { cacheFolder, type Policy, scoreTrees, type Tree } from '../models/index.ts'

/** Log-probabilities under the reference model, computed once and remembered by content. */
export interface Reference {
  /** One number per completion, in the order of trees and completions; nats. */
  logps(trees: readonly Tree[], onBatch?: (done: number, of: number) => void): Promise<number[]>
}

/**
 * The reference's log-probabilities, kept in a file per model: the key of an entry is a hash of the prompt's and the completion's ids.
 * A file that is torn or lost costs time, never correctness.
 */
export async function openReference(policy: Policy, modelHash: string, folder = join(cacheFolder(), 'reference')): Promise<Reference> {
  const file = join(folder, `${modelHash.slice(0, 16)}.jsonl`)
  const known = new Map<string, number>()
  for (const line of (await readFile(file, 'utf8').catch(() => '')).split('\n')) {
    const [, key, logp] = /^\["([0-9a-f]{40})",(-?[\d.e+-]+)\]$/.exec(line) ?? []
    if (key) known.set(key, Number(logp))
  }
  return {
    async logps(trees, onBatch) {
      const keys = trees.map(({ prompt, completions }) => completions.map((completion) => keyOf(prompt, completion)))
      const missing = trees.filter((_, i) => keys[i]!.some((key) => !known.has(key)))
      if (missing.length > 0) {
        const scores = await scoreTrees(policy, missing, { cost: { wanted: 1, run: 100 } }, onBatch)
        await policy.rest()
        const fresh = missing.flatMap(({ prompt, completions }) => completions.map((completion) => keyOf(prompt, completion)))
        fresh.forEach((key, i) => {
          known.set(key, scores[i]!)
        })
        await mkdir(dirname(file), { recursive: true }).catch(() => {})
        await appendFile(file, fresh.map((key, i) => `${JSON.stringify([key, scores[i]])}\n`).join('')).catch(() => {})
      }
      return keys.flat().map((key) => known.get(key)!)
    },
  }
}

function keyOf(prompt: readonly number[], completion: readonly number[]): string {
  return createHash('sha1').update(Int32Array.from(prompt)).update('|').update(Int32Array.from(completion)).digest('hex')
}
