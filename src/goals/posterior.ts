import { Matrix } from 'ml-matrix'
import { covarianceOf, type Gaussian, klGaussian, logDet, solve } from './gaussian.ts'
import type { GoalPrior } from './prior.ts'

/** Votes on one pair, with the pair's features in standard deviations (features in standard.ts). */
export interface VotedPair {
  readonly x: readonly number[]
  readonly votes: readonly [forA: number, forB: number]
  /** What is independent of other pairs, usually the prompt: pairs of one cluster share completions or a mood. Each pair its own where absent. */
  readonly cluster?: string
}

/** N(m, H⁻¹) over goal weights given votes, and how the votes themselves scatter about it. */
export interface Posterior extends Gaussian {
  readonly covariance: Matrix
  /** Standard deviation per weight, the larger of Laplace's and the cluster-robust one. */
  readonly sd: readonly number[]
  /** −log2 of the evidence: what the votes cost to write down one by one while learning from them. A coin that says ½ costs one bit a vote. */
  readonly codeLength: number
}

/**
 * The posterior of goal weights given all votes: Bradley–Terry, p(a beats b) = σ(w·x), by Newton to the maximum and Laplace there.
 *
 *     H = S0⁻¹ + Σ n·σ(1−σ)·x xᵀ        log evidence = log p(votes | m) − ½(m−m0)ᵀS0⁻¹(m−m0) − ½ ln|H|/|S0⁻¹|
 *
 * The goals explain only part of a voter, and several votes on a pair share the rest. So `sd` is never below the sandwich
 * H⁻¹(S0⁻¹ + Σ g gᵀ)H⁻¹, where g is a cluster's summed score x·(for a − n·p).
 *
 * units   weights in log-odds per standard deviation; code length in bits
 * source  Bradley & Terry 1952; MacKay 1992 (Laplace); Huber 1967 (sandwich); V-LAPLACE-1
 */
export function posteriorOf({ mean: m0, variance }: Pick<GoalPrior, 'mean' | 'variance'>, pairs: readonly VotedPair[]): Posterior {
  const precision0 = Matrix.diag(variance.map((v) => 1 / v))
  const start = Matrix.columnVector([...m0])
  let w = start
  let value = logPosterior(w)
  for (let round = 0; ; round++) {
    const { score, curvature } = derivatives(w)
    const step = solve(curvature, score)
    const gain = dot(score, step)
    if (gain < 1e-20) break
    if (round === 100) throw new Error(`internal: posterior: Newton must settle within 100 rounds, got a decrement of ${gain}`)
    // The log posterior is concave, so halving a step that overshoots always ends.
    for (let share = 1; share > 1e-9; share /= 2) {
      const next = Matrix.add(w, Matrix.mul(step, share))
      const reached = logPosterior(next)
      if (reached < value && gain > 1e-12) continue
      w = next
      value = reached
      break
    }
  }
  const { curvature, scatter } = derivatives(w)
  const covariance = covarianceOf(curvature)
  const robust = covariance.mmul(Matrix.add(precision0, scatter)).mmul(covariance)
  return {
    mean: w.to1DArray(),
    precision: curvature,
    covariance,
    sd: m0.map((_, k) => Math.sqrt(Math.max(covariance.get(k, k), robust.get(k, k)))),
    codeLength: -(value - (logDet(curvature) - logDet(precision0)) / 2) / Math.LN2,
  }

  function logPosterior(w: Matrix): number {
    const away = Matrix.sub(w, start)
    const likelihood = pairs.reduce((sum, { x, votes: [a, b] }) => {
      const margin = marginOf(w, x)
      return sum + a * logSigmoid(margin) + b * logSigmoid(-margin)
    }, 0)
    return likelihood - dot(away, precision0.mmul(away)) / 2
  }

  function derivatives(w: Matrix) {
    const score = precision0.mmul(Matrix.sub(start, w))
    const curvature = precision0.clone()
    const clusters = new Map<string | number, Matrix>()
    pairs.forEach(({ x, votes: [a, b], cluster }, i) => {
      const p = sigmoid(marginOf(w, x))
      const column = Matrix.columnVector([...x])
      const push = Matrix.mul(column, a - (a + b) * p)
      score.add(push)
      curvature.add(column.mmul(column.transpose()).mul((a + b) * p * (1 - p)))
      clusters.set(cluster ?? i, Matrix.add(push, clusters.get(cluster ?? i) ?? Matrix.zeros(x.length, 1)))
    })
    const scatter = Matrix.zeros(m0.length, m0.length)
    for (const push of clusters.values()) scatter.add(push.mmul(push.transpose()))
    return { score, curvature, scatter }
  }
}

/**
 * The predictive probability that a beats b, the weights integrated out: σ(μ/√(1 + πv/8)) with μ and v the mean and variance of w·x.
 *
 * source  MacKay 1992, the probit-style approximation; V-LAPLACE-1
 */
export function predict({ mean, covariance }: Pick<Posterior, 'mean' | 'covariance'>, x: readonly number[]): number {
  const column = Matrix.columnVector([...x])
  const variance = dot(column, covariance.mmul(column))
  return sigmoid(dot(column, Matrix.columnVector([...mean])) / Math.sqrt(1 + (Math.PI * variance) / 8))
}

/** What data taught about the weights, in bits: KL(posterior‖prior)/ln 2. */
export function dataBits(posterior: Posterior, { mean, variance }: GoalPrior) {
  return klGaussian(posterior, { mean, precision: Matrix.diag(variance.map((v) => 1 / v)) })
}

export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x))
}

function logSigmoid(x: number): number {
  return Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)))
}

function marginOf(w: Matrix, x: readonly number[]): number {
  return x.reduce((sum, v, k) => sum + v * w.get(k, 0), 0)
}

function dot(a: Matrix, b: Matrix): number {
  return a.transpose().mmul(b).get(0, 0)
}
