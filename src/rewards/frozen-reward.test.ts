import { Matrix } from 'ml-matrix'
import { describe, expect, it } from 'vitest'
import { posteriorOf } from '../goals/index.ts'
import { random } from '../random/index.ts'
import { learnHead } from './frozen-reward.ts'

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))

/** Comparisons of random vectors with votes by known weights. */
function voted(weights: readonly number[], count: number, seed: number) {
  const source = random(seed, 'voted')
  return Array.from({ length: count }, (_, i) => {
    const side = (name: string) => Float64Array.from(source.normals(weights.length, 2 * i + (name === 'a' ? 0 : 1)))
    const [a, b] = [side('a'), side('b')]
    const margin = weights.reduce((sum, w, k) => sum + w * (a[k]! - b[k]!), 0)
    return { a, b, share: Number(source.uniform(i, 2) < sigmoid(margin)) }
  })
}

describe('a head under a belief about its last weights', () => {
  const belief = { mean: [0.4, -0.7, 0.2], covariance: [[0.5, 0.1, 0], [0.1, 0.3, -0.05], [0, -0.05, 0.8]] } // biome-ignore format: a matrix
  const compared = voted([1, -0.5, 0], 40, 7)

  it('V-LAPLACE-1', () => {
    const one = [{ a: Float64Array.of(1), b: Float64Array.of(0), share: 1 }]
    const head = learnHead(one, { mean: [0], covariance: [[1]] })
    expect(head.believed[0]!.mean).toBeCloseTo(0.4010581375, 9)
    expect(head.believed[0]!.sd ** 2).toBeCloseTo(0.8063147294, 9)
    expect(head.chance(Float64Array.of(1), Float64Array.of(0))).toBeCloseTo(0.5865015529, 9)
  })

  it('is the posterior of goals where there are no other features', () => {
    const head = learnHead(compared, belief)
    const law = { location: belief.mean, covariance: belief.covariance, laplace: [false, false, false], signs: [0, 0, 0] } as const
    const pairs = compared.map(({ a, b, share }) => ({
      x: [...a].map((value, k) => value - b[k]!),
      votes: [share, 1 - share] as const,
    }))
    const variance = belief.covariance.map((row, k) => row[k]!)
    const goals = posteriorOf({ mean: belief.mean, variance, law }, pairs)
    for (const [k, { mean, sd }] of head.believed.entries()) {
      expect(mean).toBeCloseTo(goals.mean[k]!, 8)
      expect(sd ** 2).toBeCloseTo(goals.covariance.get(k, k), 8)
    }
    const { a, b } = compared[3]!
    expect(head.chance(a, b)).toBeCloseTo(goals.predict(pairs[3]!.x), 8)
  })

  it('with other features is the posterior under both priors at once', () => {
    const mixed = voted([0.8, -0.4, 1, -0.5, 0], 60, 9)
    const head = learnHead(mixed, belief)
    // The prior of all five weights as one Gaussian, in the units that the first two are standardised to.
    const spread = [0, 1].map((k) => {
      const all = mixed.flatMap(({ a, b }) => [a[k]!, b[k]!])
      const mean = all.reduce((sum, x) => sum + x) / all.length
      return Math.sqrt(all.reduce((sum, x) => sum + (x - mean) ** 2, 0) / all.length)
    })
    const covariance = Matrix.zeros(5, 5)
    for (const k of [0, 1]) covariance.set(k, k, head.prior ** 2 / spread[k]! ** 2)
    for (const [i, row] of belief.covariance.entries()) for (const [j, value] of row.entries()) covariance.set(2 + i, 2 + j, value)
    const law = {
      ...{ location: [0, 0, ...belief.mean], covariance: covariance.to2DArray() },
      ...{ laplace: Array<boolean>(5).fill(false), signs: Array<0>(5).fill(0) },
    }
    const pairs = mixed.map(({ a, b, share }) => ({ x: [...a].map((value, k) => value - b[k]!), votes: [share, 1 - share] as const }))
    const goals = posteriorOf({ mean: law.location, variance: covariance.diag(), law }, pairs)
    for (const [j, { mean, sd }] of head.believed.entries()) {
      expect(mean).toBeCloseTo(goals.mean[2 + j]!, 7)
      expect(sd ** 2).toBeCloseTo(goals.covariance.get(2 + j, 2 + j), 7)
    }
    for (const [i, { a, b }] of mixed.slice(0, 5).entries()) {
      expect(head.chance(a, b)).toBeCloseTo(goals.predict(pairs[i]!.x), 7)
      expect(head.score(a).value - head.score(b).value).toBeCloseTo(
        pairs[i]!.x.reduce((sum, x, k) => sum + x * goals.mean[k]!, 0),
        6,
      )
    }
  })

  it('few votes rank more unseen pairs right where the belief is true, and no fewer where it is nearly nothing', () => {
    const truth = [0, 0, 0, 0, 0, 0, 1, -1]
    const right = (seed: number, belief?: Parameters<typeof learnHead>[1]) => {
      const head = learnHead(voted(truth, 8, seed), belief)
      const unseen = voted(truth, 200, 1000 + seed)
      return unseen.filter(({ a, b }) => Math.sign(head.chance(a, b) - 0.5) === Math.sign(a[6]! - a[7]! - b[6]! + b[7]!)).length / 200
    }
    const mean = (belief?: Parameters<typeof learnHead>[1]) =>
      Array.from({ length: 20 }, (_, seed) => right(seed, belief)).reduce((sum, x) => sum + x) / 20
    const [none, weak, strong] = [
      mean(),
      mean({ mean: [0, 0], covariance: [[1, 0], [0, 1]] }), // biome-ignore format: a matrix
      mean({ mean: [0.5, -0.5], covariance: [[0.5, 0], [0, 0.5]] }), // biome-ignore format: a matrix
    ]
    expect(strong).toBeGreaterThan(none + 0.1)
    expect(weak).toBeGreaterThan(none - 0.02)
  })
})
