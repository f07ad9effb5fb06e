import { describe, expect, it } from 'vitest'
import { normals, uniforms } from '../../test/normals.ts'
import { effective, rHat } from './chains.ts'
import { goals } from './index.ts'
import { likelihoodOf, logVotes, sigmoid } from './likelihood.ts'
import { paretoK } from './pareto.ts'
import { posteriorOf } from './posterior.ts'
import { gaussianPrior, goalPrior, laplacePrior, together, withSigns } from './prior.ts'
import type { VotedPair } from './voted-pair.ts'

const [kind, fluent] = [goals.kind, goals.fluent]
const pairs: VotedPair[] = [
  { x: [1.2, 0.3], votes: [3, 0] },
  { x: [-0.4, 1], votes: [0, 2] },
  { x: [2, -1], votes: [4, 1] },
  { x: [0.5, 0.5], votes: [1, 0] },
]
const correlated = gaussianPrior({ goals: [kind, fluent], mean: [0.4, -0.3], covariance: [[0.5, 0.2], [0.2, 0.4]] }) // biome-ignore format: one line
const laplace = laplacePrior({ goals: [kind], mean: [0.4], scale: [0.5] })

/** The posterior summed over a grid of the plane, by the prior's own density. */
function onGrid(prior: typeof correlated, x: readonly number[]) {
  const [h, reach] = [0.04, 7]
  const sums = { evidence: 0, mean: [0, 0], square: [0, 0], likelihood: 0, predicted: 0 }
  for (let a = -reach + h / 2; a < reach; a += h)
    for (let b = -reach + h / 2; b < reach; b += h) {
      const margin = (at: readonly number[]) => a * at[0]! + b * at[1]!
      const log = pairs.reduce(
        (sum, { x, votes: [f, g] }) => sum - f * Math.log1p(Math.exp(-margin(x))) - g * Math.log1p(Math.exp(margin(x))),
        0,
      )
      const p = Math.exp(prior.logDensity([a, b]) + log) * h * h
      sums.evidence += p
      sums.likelihood += p * log
      sums.predicted += p / (1 + Math.exp(-margin(x)))
      for (const [k, w] of [a, b].entries()) {
        sums.mean[k]! += p * w
        sums.square[k]! += p * w * w
      }
    }
  const mean = sums.mean.map((sum) => sum / sums.evidence)
  const code = -Math.log2(sums.evidence)
  return {
    ...{ mean, code, data: sums.likelihood / sums.evidence / Math.LN2 + code, predicted: sums.predicted / sums.evidence },
    sd: sums.square.map((sum, k) => Math.sqrt(sum / sums.evidence - mean[k]! ** 2)),
  }
}

describe('HMC equals a grid in two dimensions', () => {
  it.each([
    ['a Gaussian in full', correlated],
    ['a Gaussian with signs', withSigns(correlated, { kind: 'positive', fluent: 'negative' })],
    ['a Laplace and a Gaussian', together(laplace, gaussianPrior({ goals: [fluent], mean: [0], covariance: [[1]] }))],
  ])('%s', (_, prior) => {
    const posterior = posteriorOf(prior, pairs, { method: 'hmc', seed: 3 })
    const { found, mean, covariance, codeLength, data, predict } = posterior
    if (found.method !== 'hmc') throw new Error('HMC was asked for')
    const grid = onGrid(prior, [1, -0.5])
    const error = 4 / Math.sqrt(found.effectiveDraws)
    for (const k of [0, 1]) {
      expect(Math.abs(mean[k]! - grid.mean[k]!)).toBeLessThan(error * grid.sd[k]!)
      // The standard error of a deviation is 1/√(2n) of it for normal draws.
      expect(Math.abs(Math.sqrt(covariance.get(k, k)) / grid.sd[k]! - 1)).toBeLessThan(error)
    }
    expect(Math.abs(predict([1, -0.5]) - grid.predicted)).toBeLessThan(0.02)
    // Over twelve seeds the deviation of both was 0.02 bits.
    expect(Math.abs(codeLength - grid.code)).toBeLessThan(0.08)
    expect(Math.abs(data.bits - grid.data)).toBeLessThan(0.08)
    expect(data.moved + data.sharpened).toBeCloseTo(data.bits, 12)
    expect(posterior.draws!.every((w) => w.every((value, k) => prior.law.signs[k]! * value >= 0))).toBe(true)
  })

  it('V-LAPLACE-1: the exact row, and the same seed draws the same', () => {
    const one = gaussianPrior({ goals: [kind], mean: [0], covariance: [[1]] })
    const vote: VotedPair[] = [{ x: [1], votes: [1, 0] }]
    const { mean, covariance, predict, draws } = posteriorOf(one, vote, { method: 'hmc' })
    expect(Math.abs(mean[0]! - 0.4132419)).toBeLessThan(0.08)
    expect(Math.abs(covariance.get(0, 0) - 0.8292311)).toBeLessThan(0.1)
    expect(Math.abs(predict([1]) - 0.5867581)).toBeLessThan(0.015)
    expect(posteriorOf(one, vote, { method: 'hmc' }).draws![99]).toEqual(draws![99])
    expect(posteriorOf(one, vote, { method: 'hmc', seed: 1 }).draws![99]).not.toEqual(draws![99])
  })
})

describe('which of the two', () => {
  it('is Laplace, with its diagnostic, where it holds good, and HMC where it does not', () => {
    const votes = (n: number): VotedPair[] => Array.from({ length: n }, (_, i) => ({ x: [1 + (i % 3)], votes: [7, 3] }))
    const wide = { ...gaussianPrior({ goals: [kind], mean: [0], covariance: [[400]] }) }
    const good = posteriorOf(wide, votes(60)).found
    expect(good).toMatchObject({ method: 'laplace', effectiveShare: expect.any(Number) })
    if (good.method === 'laplace') expect(good.meanOff).toBeLessThan(0.1)
    // One vote under a wide prior: half of a plane is as likely as not, which no Gaussian is like.
    const poor = posteriorOf(wide, [{ x: [1], votes: [1, 0] }]).found
    expect(poor).toMatchObject({ method: 'hmc', because: expect.stringMatching(/k̂|skewed/) })
  })
})

describe('what it stands on', () => {
  it('the likelihood has its derivative, and votes of a pair their integral', () => {
    const { at, votes } = likelihoodOf(pairs, 2)
    expect(votes).toBe(11)
    const slope = new Float64Array(2)
    at([0.3, -0.7], slope)
    const h = 1e-5
    expect(slope[0]).toBeCloseTo((at([0.3 + h, -0.7]) - at([0.3 - h, -0.7])) / (2 * h), 7)
    expect(slope[1]).toBeCloseTo((at([0.3, -0.7 + h]) - at([0.3, -0.7 - h])) / (2 * h), 7)
    expect(logVotes([1, 0], 0, 3)).toBeCloseTo(Math.log(0.5), 12)
    let sum = 0
    for (let t = -30; t < 30; t += 1e-3) sum += sigmoid(t) ** 3 * sigmoid(-t) * Math.exp(-((t - 0.5) ** 2) / 4) * 1e-3
    expect(logVotes([3, 1], 0.5, 2)).toBeCloseTo(Math.log(sum / Math.sqrt(4 * Math.PI)), 9)
    expect(Number.isFinite(logVotes([1e6, 3], 2, 50))).toBe(true)
  })

  it('V-BIRL-1: two rewards after three choices, 0.7246400527 bits', () => {
    const { at } = likelihoodOf([{ x: [1], votes: [3, 0] }], 1)
    const p = sigmoid(at([1]) - at([-1]))
    expect(p).toBeCloseTo(0.9525741268, 10)
    expect(p * Math.log2(2 * p) + (1 - p) * Math.log2(2 * (1 - p))).toBeCloseTo(0.7246400527, 10)
  })

  it('R̂ and effective draws: independent chains, chains of AR(1), and chains apart', () => {
    const normal = normals(1)
    const chain = (rho: number, at = 0) => {
      let x = normal()
      return Array.from({ length: 1000 }, () => at + (x = rho * x + Math.sqrt(1 - rho * rho) * normal()))
    }
    const four = (rho: number) => Array.from({ length: 4 }, () => chain(rho))
    expect(Math.abs(rHat(four(0)) - 1)).toBeLessThan(0.005)
    expect(effective(four(0)) / 4000).toBeGreaterThan(0.8)
    // n(1 − ρ)/(1 + ρ).
    expect(effective(four(0.6)) / 4000).toBeCloseTo(0.25, 1)
    // Two and two that are 2 deviations apart: pooled variance 1 + 4/3.
    expect(rHat([chain(0), chain(0), chain(0, 2), chain(0, 2)])).toBeCloseTo(Math.sqrt(1 + 4 / 3), 1)
  })

  it('k̂ is the shape of a Pareto tail, and low where weights have a bound', () => {
    const uniform = uniforms(5)
    for (const k of [0.3, 0.9]) {
      const logs = Array.from({ length: 20_000 }, () => Math.log(1 + (uniform() ** -k - 1) / k))
      expect(Math.abs(paretoK(logs) - k)).toBeLessThan(0.15)
    }
    expect(paretoK(Array.from({ length: 2000 }, () => Math.log(1 + uniform())))).toBeLessThan(0)
  })
})

it('weights are recovered from made-up votes: correlation above 0.99, and 95 % intervals hold them 95 times in 100', () => {
  const [uniform, normal] = [uniforms(8), normals(9)]
  const prior = goalPrior({ goals: [kind, fluent, goals.complete, goals.onPrompt], strength: 1, posterior: 'laplace' })
  const [truths, means]: [number[], number[]] = [[], []]
  let held = 0
  for (let run = 0; run < 300; run++) {
    const w = prior.sample(run)
    const votes = Array.from({ length: 400 }, (): VotedPair => {
      const x = w.map(() => Math.SQRT2 * normal())
      const forA = uniform() < sigmoid(x.reduce((sum, value, k) => sum + value * w[k]!, 0)) ? 1 : 0
      return { x, votes: [forA, 1 - forA] }
    })
    const { mean, sd } = posteriorOf(prior, votes)
    truths.push(...w)
    means.push(...mean)
    held += w.filter((value, k) => Math.abs(value - mean[k]!) < 1.96 * sd[k]!).length
  }
  expect(correlation(truths, means)).toBeGreaterThan(0.99)
  expect(Math.abs(held / truths.length - 0.95)).toBeLessThan(0.03)
})

function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (all: readonly number[]) => all.reduce((sum, x) => sum + x, 0) / all.length
  const [ma, mb] = [mean(a), mean(b)]
  const product = (f: (i: number) => number) => a.reduce((sum, _, i) => sum + f(i), 0)
  const ab = product((i) => (a[i]! - ma) * (b[i]! - mb))
  return ab / Math.sqrt(product((i) => (a[i]! - ma) ** 2) * product((i) => (b[i]! - mb) ** 2))
}
