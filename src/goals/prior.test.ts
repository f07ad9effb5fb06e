import { Matrix } from 'ml-matrix'
import { describe, expect, it } from 'vitest'
import { evidenceBits, fromSmoothing, klBeta, mean, toLogOdds, update } from '../../test/beta.ts'
import { sampleRng } from '../../test/sample-rng.ts'
import { klGaussian } from './gaussian.ts'
import { goals } from './index.ts'
import { goalPrior, referencePrior } from './prior.ts'
import { softLabel } from './soft-labels.ts'
import { normalQuantile } from './special-functions.ts'

describe('the dial: pseudo-votes', () => {
  it.each([
    // Closed forms of precision (1 + n)/2 and mean direction·weight·n/(1 + n); bits Σ 1 + log2 Φ(weight·n/√(2(1 + n))).
    { strength: 0, mean: 0, variance: 2, bits: 0 },
    { strength: 1, mean: 0.25, variance: 1, bits: 1 + Math.log2(0.5987063257) },
    { strength: 7, mean: 0.4375, variance: 0.25, bits: 1 + Math.log2(0.8092130471) },
    { strength: 20, mean: 10 / 21, variance: 2 / 21, bits: 1 + Math.log2(0.9385886759) },
  ])('strength $strength', ({ strength, mean, variance, bits }) => {
    const prior = goalPrior({ goals: [goals.kind, goals.fluent], strength })
    expect(prior.mean.map(Math.abs)).toEqual([expect.closeTo(mean, 12), expect.closeTo(mean, 12)])
    expect(prior.variance).toEqual([expect.closeTo(variance, 12), expect.closeTo(variance, 12)])
    expect(prior.bits).toBeCloseTo(2 * bits, 8)
  })

  it('points the stated ways, by the stated weights', () => {
    const prior = goalPrior({ goals: [goals.kind, goals.fluent], strength: 1, weights: { fluent: 2 } })
    expect(prior.mean).toEqual([0.25, -1])
    expect(referencePrior(prior)).toMatchObject({ strength: 0, bits: 0, variance: [2, 2] })
  })

  it('never supplies more than one bit a goal', () => {
    expect(goalPrior({ goals: [goals.kind, goals.length, goals.complete], strength: 1e6 }).bits).toBeCloseTo(3, 9)
  })

  it('is the Fisher information of that many votes, at indifference, on pairs of reference samples', () => {
    const n = 100_000
    const z = sampleRng(1).f32([2, n], 0, 1).data as Float32Array
    const x = Array.from({ length: n }, (_, i) => normal(z[i]!) - normal(z[n + i]!))
    expect(x.reduce((sum, v) => sum + (v * v) / 4, 0) / n).toBeCloseTo(1 / 2, 2)
  })

  it('agrees with a coin: a typical pair has the log-odds variance of Beta(N/2, N/2), N = 1 + strength, as N grows', () => {
    for (const [strength, within] of [
      [20, 0.06],
      [200, 0.006],
      [2000, 0.0006],
    ] as const) {
      const prior = goalPrior({ goals: [goals.kind], strength })
      const coin = toLogOdds({ a: (1 + strength) / 2, b: (1 + strength) / 2 })
      expect(Math.abs((2 * prior.variance[0]!) / coin.variance - 1)).toBeLessThan(within)
    }
  })

  it.each([
    [{ goals: [goals.kind], strength: -1 }, /prior.strength: must be a number of votes ≥ 0, got -1/],
    [{ goals: [goals.kind], strength: Number.NaN }, /prior.strength/],
    [{ goals: [], strength: 20 }, /prior.goals: must name at least one goal/],
    [{ goals: [goals.kind], strength: 20, weights: { kin: 1 } }, /must name a goal of this prior \(kind\), got kin/],
    [{ goals: [goals.kind], strength: 20, weights: { kind: -1 } }, /prior.weights.kind: must be ≥ 0, got -1/],
  ])('refuses bad options, row %#', (options, message) => {
    expect(() => goalPrior(options)).toThrow(message)
  })
})

describe('the other dials', () => {
  it.each([
    // V-BETA-1: 7 of 10 votes.
    { a: 1, mean: 0.666667, logit: Math.LN2, evidence: Math.log2(1320), kl: 0.9184392359 },
    { a: 5, mean: 0.6, logit: 0.405465, evidence: 9.906547, kl: 0.4429238707 },
    { a: 50, mean: 0.518182, logit: 0.072759, evidence: 9.963173, kl: 0.0994387455 },
  ])('V-BETA-1: Beta($a, $a)', ({ a, ...known }) => {
    const prior = { a, b: a }
    const posterior = update(prior, 7, 10)
    expect(mean(posterior)).toBeCloseTo(known.mean, 6)
    expect(Math.log(mean(posterior) / (1 - mean(posterior)))).toBeCloseTo(known.logit, 6)
    expect(evidenceBits(prior, 7, 10)).toBeCloseTo(known.evidence, 6)
    expect(klBeta(posterior, prior)).toBeCloseTo(known.kl, 9)
  })

  it('the evidence is the prequential length, whatever the order', () => {
    for (const order of [
      [1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
      [0, 1, 1, 0, 1, 1, 1, 0, 1, 1],
    ]) {
      let beta = { a: 5, b: 5 }
      let bits = 0
      for (const vote of order) {
        bits -= Math.log2(vote ? mean(beta) : 1 - mean(beta))
        beta = update(beta, vote, 1)
      }
      expect(bits).toBeCloseTo(evidenceBits({ a: 5, b: 5 }, 7, 10), 12)
    }
  })

  it('V-KLB-1 and V-KLG-1', () => {
    expect(klBeta({ a: 8, b: 4 }, { a: 1, b: 1 }) * Math.LN2).toBeCloseTo(0.6366135669, 9)
    const { bits, moved, sharpened } = klGaussian({ mean: [1], precision: Matrix.diag([4]) }, { mean: [0], precision: Matrix.diag([1]) })
    expect(bits).toBeCloseTo(1.1803368801, 9)
    expect(moved).toBeCloseTo(0.5 / Math.LN2, 12)
    expect(moved + sharpened).toBe(bits)
  })

  it('V-SMOOTH-1: label smoothing grows with the votes; soft labels are washed out by them', () => {
    expect(fromSmoothing(0.1, 10).a).toBeCloseTo(1.25, 12)
    expect(fromSmoothing(0.1, 1000).a).toBeCloseTo(125, 12)
    for (const n of [10, 1000]) expect(mean(update(fromSmoothing(0.1, n), 0.7 * n, n))).toBeCloseTo(0.66, 12)
    expect(softLabel([7, 3], 0.5, 2.5)).toBeCloseTo(0.66, 12)
    expect(softLabel([700, 300], 0.5, 2.5)).toBeCloseTo(0.6995012469, 9)
  })
})

describe('soft labels', () => {
  it('are the votes as they are at κ = 0, and the prediction where there is no vote', () => {
    expect(softLabel([3, 1], 0.1, 0)).toBe(0.75)
    expect(softLabel([0, 0], 0.1, 2)).toBe(0.1)
    expect(softLabel([1, 0], 0.7)).toBeCloseTo(0.85, 12)
  })

  it('flip with the sides', () => {
    expect(softLabel([3, 1], 0.7, 1.5) + softLabel([1, 3], 0.3, 1.5)).toBeCloseTo(1, 12)
  })

  it('refuse a negative κ and a pair that nobody says anything about', () => {
    expect(() => softLabel([1, 0], 0.5, -1)).toThrow(/kappa: must be a number of votes ≥ 0, got -1/)
    expect(() => softLabel([0, 0], 0.5, 0)).toThrow(/needs κ > 0/)
  })
})

function normal(u: number): number {
  return normalQuantile(Math.min(Math.max(u, 1e-7), 1 - 1e-7))
}
