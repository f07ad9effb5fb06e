import { spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lossAndGradient, randomLandscape } from '../dist/evidence/hills/landscape.js'
import { hintonNowlan } from '../dist/evidence/left-turn/hinton-nowlan.js'
import { stream } from '../dist/evidence/stream.js'

/** The inner loops of two claims beside the same loops in C (gcc -O2, one thread), turn about; the median of the ratios counts. */
export const evidence = {
  about: 'evidence: inner loops of hills and Hinton–Nowlan against C (gcc -O2), one thread, interleaved; --rounds N',
  flags: ['--rounds'],

  async measure(say, flags) {
    const program = join(mkdtempSync(join(tmpdir(), 'innate-bench-')), 'evidence')
    const made = spawnSync('gcc', ['-O2', join(import.meta.dirname, 'peers/evidence.c'), '-o', program, '-lm'], { encoding: 'utf8' })
    if (made.status !== 0) throw new Error(`gcc must compile bench/peers/evidence.c, got ${made.error?.message ?? made.stderr}`)
    const rounds = Number(flags.get('--rounds') ?? 5)
    const loops = [
      ...[16, 64, 256].map((n) => ({ name: `hills, n = ${n}`, n, ours: hills(n) })),
      { name: 'Hinton–Nowlan', n: 0, ours: population },
    ]
    const rows = loops.map(({ name, n, ours }) => {
      ours()
      const pairs = Array.from({ length: rounds }, () => {
        const c = Number(spawnSync(program, [String(n)], { encoding: 'utf8' }).stdout.split(' ')[0])
        return { ours: ours(), c }
      })
      const middle = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]
      const share = middle(pairs.map((pair) => pair.c / pair.ours))
      say(`${name}: ${(100 * share).toFixed(0)} % of C's speed`)
      return { name, ours: middle(pairs.map((pair) => pair.ours)), c: middle(pairs.map((pair) => pair.c)), share }
    })
    return { rounds, rows }
  },

  table({ rows }) {
    const line = ({ name, ours, c, share }) =>
      `${name.padEnd(18)}${ours.toFixed(4).padStart(12)}${c.toFixed(4).padStart(12)}${`${(100 * share).toFixed(0)} %`.padStart(12)}`
    return [`${''.padEnd(18)}${'ours, ms'.padStart(12)}${'C, ms'.padStart(12)}${'of its speed'.padStart(12)}`, ...rows.map(line)].join('\n')
  },
}

/** Milliseconds of a step. */
function hills(n) {
  const [land, x, g] = [randomLandscape(n, 0.0025, 0), Float64Array.from({ length: n }, (_, i) => Math.sin(i)), new Float64Array(n + 1)]
  const steps = Math.floor(20_000_000 / (5 * n * n)) + 1
  return () => {
    const began = performance.now()
    for (let i = 0; i < steps; i++) lossAndGradient(land, i, x, g)
    return (performance.now() - began) / steps
  }
}

/** Milliseconds of 60 generations. */
function population() {
  const began = performance.now()
  for (let seed = 0; seed < 20; seed++) hintonNowlan(stream(seed, 'bench'), 60)
  return (performance.now() - began) / 20
}
