import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bestOfN, bestOfNBound, klOf } from './best-of-n.ts'
import { bestOfSample } from './best-of-sample.ts'

describe('the best of n', () => {
  it('has the KL of V-BON-1 where no two scores are alike', () => {
    expect([2, 4, 16, 64].map((n) => Number(bestOfNBound(n).toFixed(6)))).toEqual([0.193147, 0.636294, 1.835089, 3.174508])
  })

  it('of three completions is V-BON-1, below the bound', () => {
    const pi0 = [0.5, 0.3, 0.2]
    const law = bestOfN(pi0, [0, 1, 2], 4)
    expect([...law].map((p) => Number(p.toFixed(4)))).toEqual([0.0625, 0.3471, 0.5904])
    expect(klOf(law, pi0)).toBeCloseTo(0.5597505604, 10)
    expect(klOf(law, pi0)).toBeLessThan(0.6362943611)
  })

  const scored = fc
    .array(fc.record({ mass: fc.integer({ min: 1, max: 20 }), score: fc.integer({ min: -3, max: 3 }) }), { minLength: 1, maxLength: 12 })
    .map((rows) => {
      const total = rows.reduce((sum, { mass }) => sum + mass, 0)
      return { pi: rows.map(({ mass }) => mass / total), scores: rows.map(({ score }) => score) }
    })

  it('is a law, is never further than the bound, and changes nothing where all scores are alike', () => {
    fc.assert(
      fc.property(scored, fc.integer({ min: 1, max: 200 }), ({ pi, scores }, n) => {
        const law = bestOfN(pi, scores, n)
        expect(law.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12)
        expect(klOf(law, pi)).toBeLessThanOrEqual(bestOfNBound(n) + 1e-12)
        expect(klOf(law, pi)).toBeGreaterThanOrEqual(-1e-12)
        const same = bestOfN(pi, scores.map(() => 1), n) // biome-ignore format: one line
        expect(klOf(same, pi)).toBeCloseTo(0, 12)
      }),
    )
  })

  it('refuses scores that are none, and an n that cannot be', () => {
    expect(() => bestOfN([0.5, 0.5], [1, Number.NaN], 2)).toThrow('score 1 must be a number, got NaN')
    expect(() => bestOfN([0.5, 0.5], [1], 2)).toThrow('every completion must have one score, got 1 for 2')
    expect(() => bestOfNBound(0)).toThrow('n must be a whole number from 1 on, got 0')
  })
})

describe('from a sample', () => {
  it('is the mean over every choice of n, ties shared', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: -9, max: 9 })), { minLength: 1, maxLength: 7 }),
        fc.nat(),
        (rows, pick) => {
          const n = 1 + (pick % rows.length)
          const [scores, value] = [rows.map(([s]) => s), rows.map(([, v]) => v)]
          expect(bestOfSample(scores, n, value)).toBeCloseTo(byEveryChoice(scores, value, n), 10)
        },
      ),
    )
  })

  it('refuses a choice of more than there are', () => {
    expect(() => bestOfSample([1, 2], 3)).toThrow('from 1 to the 2 completions there are, got 3')
  })
})

function byEveryChoice(scores: readonly number[], value: readonly number[], n: number): number {
  const choices = (from: number, left: number): number[][] =>
    left === 0 ? [[]] : scores.flatMap((_, i) => (i < from ? [] : choices(i + 1, left - 1).map((rest) => [i, ...rest])))
  const all = choices(0, n).map((chosen) => {
    const most = Math.max(...chosen.map((i) => scores[i]!))
    // A tie is broken among all of the sample that have the score: by symmetry any one of them is as likely there.
    const best = scores.flatMap((s, i) => (s === most ? [value[i]!] : []))
    return best.reduce((sum, v) => sum + v, 0) / best.length
  })
  return all.reduce((sum, v) => sum + v, 0) / all.length
}
