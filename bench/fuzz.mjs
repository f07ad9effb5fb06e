import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createJiti } from 'jiti'
import { UserError } from '../dist/graph/errors.js'
import { kindsIn } from './fuzz/kinds.mjs'

const slowest = 2
const mostGrown = 300

/**
 * Spoilt files of every kind that is read: an input fails that is answered by any error but a UserError, takes more than two seconds of the
 * processor, or lets the memory grow by more than 300 MB.
 */
export const fuzz = {
  about: 'spoilt files of every kind that is read: none may crash, take 2 s or 300 MB (--minutes=N, --seed=N, --only=KIND)',
  flags: ['--minutes', '--seed', '--only'],

  async measure(say, flags) {
    const spoil = await createJiti(import.meta.url).import('../test/fuzz.ts')
    const home = mkdtempSync(join(tmpdir(), 'innate-fuzz-'))
    const seed = Number(flags.get('--seed') ?? 1)
    const end = performance.now() + 60_000 * Number(flags.get('--minutes') ?? 1)
    try {
      const kinds = Object.entries(await kindsIn(home, spoil)).filter(([name]) => name === (flags.get('--only') ?? name))
      const rows = kinds.map(([kind]) => ({ kind, inputs: 0, read: 0, refused: 0, failed: 0, slowest: 0, grown: 0 }))
      for (let turn = 0; performance.now() < end; turn++)
        for (const [k, [kind, one]] of kinds.entries()) await slice(kind, one, rows[k], { turn, seed, spoil, say, end })
      return { seed, rows }
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  },

  table({ rows }) {
    const head = `${'kind'.padEnd(14)}${['inputs', 'read', 'refused', 'failed', 'slowest s', 'grown MB'].map((word) => word.padStart(11)).join('')}`
    const line = ({ kind, ...numbers }) => `${kind.padEnd(14)}${Object.values(numbers).map((x) => String(Math.round(100 * x) / 100).padStart(11)).join('')}` // biome-ignore format: one line
    const total = rows.reduce((sum, { inputs, failed }) => ({ inputs: sum.inputs + inputs, failed: sum.failed + failed }), { inputs: 0, failed: 0 }) // biome-ignore format: one line
    if (total.failed > 0) process.exitCode = 1
    return [head, ...rows.map(line), `${total.inputs} inputs, ${total.failed} failed`].join('\n')
  },
}

/** A second or so of one kind. */
async function slice(kind, one, row, { turn, seed, spoil, say, end }) {
  const until = Math.min(performance.now() + 1000, end)
  for (let i = 0; performance.now() < until; i++) {
    const place = turn * 1_000_000 + i
    const input = one.make(spoil.choiceOf(seed, place))
    const memory = process.memoryUsage.rss()
    const before = process.cpuUsage()
    let what
    try {
      await one.read()
      row.read++
    } catch (error) {
      if (error instanceof UserError) row.refused++
      else what = error?.stack ?? String(error)
    }
    const { user, system } = process.cpuUsage(before)
    const [seconds, grown] = [(user + system) / 1e6, (process.memoryUsage.rss() - memory) / 2 ** 20]
    row.inputs++
    row.slowest = Math.max(row.slowest, seconds)
    row.grown = Math.max(row.grown, grown)
    if (seconds > slowest) what ??= `${seconds.toFixed(1)} s of the processor`
    if (grown > mostGrown) what ??= `${Math.round(grown)} MB more memory`
    if (what === undefined) continue
    row.failed++
    if (row.failed <= 5)
      say(`${kind}: input ${place} of seed ${seed}: ${what}\n  ${JSON.stringify(String(input.toString('latin1')).slice(0, 400))}`)
  }
}
