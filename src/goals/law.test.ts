import { Matrix } from 'ml-matrix'
import { describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { goals } from './index.ts'
import { drawOf, type Law, momentsOf, signProbability } from './law.ts'
import { orthant } from './orthant.ts'
import { gaussianPrior, goalPrior, laplacePrior, together, withSigns } from './prior.ts'
import type { GoalPriorOptions } from './prior-options.ts'

const [kind, fluent, complete, onPrompt] = [goals.kind, goals.fluent, goals.complete, goals.onPrompt]
const correlated = gaussianPrior({
  goals: [kind, fluent],
  mean: [0.4, -0.3],
  covariance: [
    [0.5, 0.2],
    [0.2, 0.4],
  ],
})
const laplace = laplacePrior({ goals: [complete], mean: [0.5], scale: [0.6] })
const priors = {
  'a Gaussian': correlated,
  'a Gaussian with a sign': withSigns(correlated, { kind: 'positive' }),
  'a Gaussian with two signs': withSigns(correlated, { kind: 'positive', fluent: 'negative' }),
  'a Laplace and a Gaussian': together(laplace, gaussianPrior({ goals: [kind], mean: [0.2], covariance: [[0.3]] })),
  'a Laplace with a sign and a Gaussian with one': withSigns(
    together(
      laplacePrior({ goals: [fluent], mean: [0.2], scale: [0.5] }),
      gaussianPrior({ goals: [kind], mean: [0.2], covariance: [[0.3]] }),
    ),
    { fluent: 'negative', kind: 'positive' },
  ),
}

/** Sums over a grid of a plane of weights: the whole of a density, and its moments. */
function integrated({ logDensity }: { logDensity: (w: readonly number[]) => number }, h = 0.04) {
  const sums = { whole: 0, mean: [0, 0], square: [0, 0] }
  for (let a = -8 + h / 2; a < 8; a += h)
    for (let b = -8 + h / 2; b < 8; b += h) {
      const p = Math.exp(logDensity([a, b])) * h * h
      sums.whole += p
      for (const [k, w] of [a, b].entries()) {
        sums.mean[k]! += p * w
        sums.square[k]! += p * w * w
      }
    }
  return { whole: sums.whole, mean: sums.mean, variance: sums.square.map((square, k) => square - sums.mean[k]! ** 2) }
}

describe.each(Object.entries(priors))('%s', (_, prior) => {
  it('has a density that is one in all, with the moments it states', () => {
    const { whole, mean, variance } = integrated(prior)
    // A corner at no point of the grid costs h² at most.
    expect(Math.abs(whole - 1)).toBeLessThan(5e-4)
    for (const k of [0, 1]) {
      expect(Math.abs(mean[k]! - prior.mean[k]!)).toBeLessThan(1e-3)
      expect(Math.abs(variance[k]! - prior.variance[k]!)).toBeLessThan(1e-3)
    }
  })

  it('is drawn from: draws have its moments and signs, and the same seed draws the same', () => {
    const draws = Array.from({ length: 1500 }, (_, seed) => prior.sample(seed))
    expect(prior.sample(7)).toEqual(draws[7])
    for (const k of [0, 1]) {
      const all = draws.map((draw) => draw[k]!)
      const mean = all.reduce((a, b) => a + b) / all.length
      const variance = all.reduce((sum, x) => sum + (x - mean) ** 2, 0) / all.length
      // Four standard errors; that of a variance is at most √5 of it over √n, for a Laplace law.
      expect(Math.abs(mean - prior.mean[k]!)).toBeLessThan(4 * Math.sqrt(prior.variance[k]! / all.length))
      expect(Math.abs(variance - prior.variance[k]!)).toBeLessThan((4 * Math.sqrt(5) * prior.variance[k]!) / Math.sqrt(all.length))
      expect(all.every((w) => prior.law.signs[k]! * w >= 0)).toBe(true)
    }
    expect(draws.every((draw) => Number.isFinite(prior.logDensity(draw)))).toBe(true)
  })
})

describe('known values', () => {
  it('a Gaussian, a Laplace, and −∞ where a sign is against it', () => {
    // ½·ln|2πS| + ½·xᵀS⁻¹x at x = (0.6, 0.3), |S| = 0.16 and xᵀS⁻¹x = (0.4·0.36 − 0.4·0.18 + 0.5·0.09)/0.16.
    const quadratic = (0.4 * 0.36 - 2 * 0.2 * 0.18 + 0.5 * 0.09) / 0.16
    expect(correlated.logDensity([1, 0])).toBeCloseTo(-Math.log(2 * Math.PI) - Math.log(0.16) / 2 - quadratic / 2, 12)
    expect(laplace.logDensity([-0.1])).toBeCloseTo(-1 - Math.log(1.2), 12)
    expect(withSigns(correlated, { kind: 'positive' }).logDensity([-0.1, 0])).toBe(Number.NEGATIVE_INFINITY)
  })

  it.each([-0.9, -0.3, 0.5, 0.95])('orthants of two and of three axes that correlate by %d', (rho) => {
    const within = (axes: number, r: number) => {
      const matrix = Matrix.eye(axes)
      for (let i = 0; i < axes; i++) for (let j = 0; j < i; j++) matrix.set(i, j, r).set(j, i, r)
      return orthant(Array.from({ length: axes }, () => 0), matrix, Array.from({ length: axes }, () => 1)).probability // biome-ignore format: one line
    }
    // Sheppard 1899; three axes need ρ > −½.
    expect(Math.abs(within(2, rho) - (0.25 + Math.asin(rho) / (2 * Math.PI)))).toBeLessThan(3e-5)
    const r = Math.max(rho, -0.4)
    expect(Math.abs(within(3, r) - (0.125 + (3 * Math.asin(r)) / (4 * Math.PI)))).toBeLessThan(2e-4)
  })

  it('half a normal distribution, and half a Laplace one', () => {
    const half: Law = { location: [0, 0], covariance: [[4, 0], [0, 2]], laplace: [false, true], signs: [1, -1] } // biome-ignore format: one line
    const { mean, variance } = momentsOf(half)
    expect(mean).toEqual([expect.closeTo(2 * Math.sqrt(2 / Math.PI), 12), expect.closeTo(-1, 12)])
    expect(variance).toEqual([expect.closeTo(4 * (1 - 2 / Math.PI), 12), expect.closeTo(1, 12)])
    expect(signProbability(half)).toBeCloseTo(0.25, 12)
    expect(drawOf(half, 3).map(Math.sign)).toEqual([1, -1])
  })
})

describe('composing', () => {
  it('independent priors add their densities and their bits', () => {
    const both = together(correlated, laplace)
    expect(both.logDensity([0.1, 0.2, 0.3])).toBeCloseTo(correlated.logDensity([0.1, 0.2]) + laplace.logDensity([0.3]), 12)
    expect(both.bits).toBeCloseTo(correlated.bits + laplace.bits, 4)
    expect(() => together(laplace, laplace)).toThrow(/^prior.goals: names must differ, got complete twice/)
  })

  it('a sign is one bit of direction, whole', () => {
    const signed = withSigns(goalPrior({ goals: [kind], strength: 0 }), { kind: 'positive' })
    expect(signed.bits).toBe(1)
    expect(signed.mean[0]).toBeCloseTo(2 / Math.sqrt(Math.PI), 12)
  })
})

describe('the dial in bits', () => {
  it.each<Omit<GoalPriorOptions, 'goals' | 'strength'>>([
    { bits: 0.5 },
    { bits: 1.9 },
    { bits: 1.5, form: 'laplace' },
    { bits: 1.4, signs: { kind: 'positive' } },
    { bits: 0.8, covariance: [[1, 0.6], [0.6, 1]] }, // biome-ignore format: one line
  ])('%j supplies them, and the strength that it found supplies the same', (options) => {
    const prior = goalPrior({ goals: [kind, complete], ...options })
    expect(prior.bits).toBeCloseTo(options.bits!, 6)
    const { bits: _, ...rest } = options
    expect(goalPrior({ goals: [kind, complete], ...rest, strength: prior.strength }).bits).toBeCloseTo(options.bits!, 6)
  })

  it('has what no strength supplies refused', () => {
    const made = (options: Partial<GoalPriorOptions>) => () => goalPrior({ goals: [kind, complete], ...options })
    expect(made({ bits: 2.5 })).toThrow(
      /^prior.bits: must be from 0.00 to below 2.00 for these goals, got 2.5; each goal's sign is one bit/,
    )
    expect(made({ bits: 0.5, signs: { kind: 'positive' } })).toThrow(/must be from 1.00 to below 2.00/)
    expect(made({ bits: 1, weights: { kind: 0, complete: 0 } })).toThrow(/must be from 0.00 to below 0.00/)
    expect(goalPrior({ goals: [kind], bits: 0 })).toMatchObject({ strength: 0, bits: 0 })
  })

  it('a covariance by itself is taken as it is; beside a dial it is scaled to it', () => {
    const covariance = [[0.5, 0.2], [0.2, 0.4]] // biome-ignore format: one line
    const alone = goalPrior({ goals: [kind, complete], covariance, weights: { kind: 0.3 } })
    expect(alone.mean).toEqual([0.3, 0.5])
    expect(alone.law.covariance).toEqual(covariance)
    expect(alone.strength).toBeCloseTo(2 / Math.sqrt(0.16) - 1, 12)
    const scaled = goalPrior({ goals: [kind, complete], covariance, strength: 9 })
    expect(scaled.strength).toBe(9)
    expect(scaled.law.covariance.flat()).toEqual([0.25, 0.1, 0.1, 0.2].map((v) => expect.closeTo(v, 12)))
  })
})

describe('what does not go together is refused, in one sentence', () => {
  const two = [kind, fluent]
  it.each<[() => unknown, RegExp]>([
    [() => goalPrior({ goals: two }), /^prior.strength: must be given, in votes, or bits, or a covariance, got none/],
    [() => goalPrior({ goals: two, strength: 1, bits: 1 }), /^prior: must have one dial, got strength and bits/],
    [() => goalPrior({ goals: two, bits: Number.NaN }), /^prior.bits: must be from/],
    [() => goalPrior({ goals: two, covariance: [[1, 1], [1, 1]] }), /^prior.covariance: must be positive definite, got a singular one, whose least eigenvalue is /], // biome-ignore format: one line
    [() => goalPrior({ goals: two, covariance: [[1, 2], [2, 1]] }), /must be positive definite, got a wrong one, whose least eigenvalue is -1/], // biome-ignore format: one line
    [() => goalPrior({ goals: two, covariance: [[0, 0], [0, 0]] }), /must be positive definite, got a singular one/], // biome-ignore format: one line
    [() => goalPrior({ goals: two, covariance: [[1, 0.1], [0.2, 1]] }), /must be symmetric, got 0.1 and 0.2 in row and column 1 and 2/], // biome-ignore format: one line
    [() => goalPrior({ goals: two, covariance: [[1, Number.NaN], [Number.NaN, 1]] }), /^prior.covariance: must be finite numbers, got NaN/], // biome-ignore format: one line
    [() => goalPrior({ goals: two, covariance: [[1]] }), /must have a row and a column for each of 2 goals, got 1 rows of 1/],
    [() => goalPrior({ goals: two, covariance: [[1, 0.5], [0.5, 1]], form: { kind: 'laplace' } }), /must be 0 between a laplace goal and any other, got 0.5 between kind and fluent/], // biome-ignore format: one line
    [
      () => goalPrior({ goals: two, strength: 1, form: { kin: 'laplace' } }),
      /^prior.form: must name a goal of this prior \(kind, fluent\), got kin/,
    ],
    [() => goalPrior({ goals: two, strength: 1, form: 'cauchy' as never }), /^prior.form: must be gaussian or laplace, got "cauchy"/],
    [
      () => goalPrior({ goals: two, strength: 1, signs: { fluent: 'positive' } }),
      /^prior.signs.fluent: must agree with the goal, of which less is wanted, got positive; say negative/,
    ],
    [
      () => goalPrior({ goals: two, strength: 1, signs: { kin: 'positive' } }),
      /^prior.signs: must name a goal of this prior \(kind, fluent\), got kin/,
    ],
    [
      () => goalPrior({ goals: two, strength: 1, signs: { kind: 'up' as never } }),
      /^prior.signs.kind: must be positive or negative, got "up"; say "positive"/,
    ],
    [
      () => goalPrior({ goals: two, strength: 1, signs: { kind: 'positive' }, posterior: 'laplace' }),
      /^prior.posterior: must be hmc or auto with signs, which have an edge, got laplace/,
    ],
    [() => goalPrior({ goals: two, strength: 1, form: 'laplace', posterior: 'laplace' }), /with a laplace prior, which has a corner/],
    [
      () => withSigns(gaussianPrior({ goals: [kind], mean: [-9], covariance: [[1]] }), { kind: 'positive' }),
      /^prior.signs: must leave the prior room, got signs that hold for a share of 1.1e-19/,
    ],
    [
      () => withSigns({ ...correlated, law: { ...correlated.law, signs: [-1, 0] } }, { kind: 'positive' }),
      /^prior.signs.kind: must be one of positive and negative, got both/,
    ],
    [() => gaussianPrior({ goals: two, mean: [1], covariance: [[1, 0], [0, 1]] }), /^prior.mean: must have one number a goal \(2\), got 1/], // biome-ignore format: one line
    [() => laplacePrior({ goals: [kind], mean: [0], scale: [0] }), /^prior.scale: must be above 0, got 0/],
    [
      () => laplacePrior({ goals: [kind, onPrompt], mean: [0, Number.POSITIVE_INFINITY], scale: [1, 1] }),
      /^prior.mean: must be finite numbers, got Infinity/,
    ],
    [() => correlated.logDensity([1]), /^logDensity: must have one number a goal \(2\), got 1/],
  ])('%#', (make, message) => {
    expect(make).toThrow(UserError)
    expect(make).toThrow(message)
  })
})
