import { Matrix } from 'ml-matrix'
import { covarianceOf, type Gaussian, klGaussian, logDet, solve } from './gaussian.ts'
import type { GoalPrior } from './prior.ts'

/** Votes on one pair, with the pair's features in standard deviations (features in goal-scale.ts). */
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
  const x = rowsOf(pairs.map((pair) => pair.x))
  const xT = x.transpose()

  let w = start
  let value = logPosterior(w)
  const votes = pairs.reduce((sum, pair) => sum + pair.votes[0] + pair.votes[1], 0)
  for (let round = 0; ; round++) {
    const { score, curvature } = derivatives(w)
    const step = solve(curvature, score)
    const gain = dot(score, step)
    // The decrement is a squared distance in posterior deviations; the rounding of it grows with the votes.
    if (gain < 1e-20 + 1e-27 * votes) break
    if (round === 100) throw new Error(`internal: posterior: Newton must settle within 100 rounds, got a decrement of ${gain}`)
    // The log posterior is concave, so halving a step that overshoots always ends; close to the top a step no longer overshoots.
    let next = Matrix.add(w, step)
    const rounding = 1e-12 * Math.abs(value)
    while (gain > 1e-6 && logPosterior(next) < value - rounding) next = Matrix.add(w, step.mul(1 / 2))
    w = next
    value = logPosterior(w)
  }

  const { curvature, pushes } = derivatives(w)
  const scatter = sumByCluster(pushes)
  const covariance = covarianceOf(curvature)
  const robust = covariance.mmul(Matrix.add(precision0, scatter.transpose().mmul(scatter))).mmul(covariance)
  return {
    mean: w.to1DArray(),
    precision: curvature,
    covariance,
    sd: m0.map((_, k) => Math.sqrt(Math.max(covariance.get(k, k), robust.get(k, k)))),
    codeLength: -(value - (logDet(curvature) - logDet(precision0)) / 2) / Math.LN2,
  }

  function logPosterior(w: Matrix): number {
    const away = Matrix.sub(w, start)
    const margins = x.mmul(w)
    const likelihood = pairs.reduce((sum, { votes: [a, b] }, i) => {
      const margin = margins.get(i, 0)
      return sum + a * logSigmoid(margin) + b * logSigmoid(-margin)
    }, 0)
    return likelihood - dot(away, precision0.mmul(away)) / 2
  }

  function derivatives(w: Matrix) {
    const margins = x.mmul(w).to1DArray()
    const found = pairs.map((pair, i) => surpriseOf(pair, margins[i]!))
    const surprise = found.map(({ push }) => push)
    const spread = found.map(({ information }) => Math.sqrt(information))
    const scaled = x.clone().mulColumnVector(spread)
    const score = precision0.mmul(Matrix.sub(start, w)).add(xT.mmul(Matrix.columnVector(surprise)))
    const curvature = Matrix.add(precision0, scaled.transpose().mmul(scaled))
    return { score, curvature, pushes: x.clone().mulColumnVector(surprise) }
  }

  /** A matrix with one row per weight-sized vector; there may be none. */
  function rowsOf(vectors: readonly (readonly number[])[]): Matrix {
    const matrix = Matrix.zeros(vectors.length, m0.length)
    vectors.forEach((vector, i) => void matrix.setRow(i, [...vector]))
    return matrix
  }

  function sumByCluster(pushes: Matrix): Matrix {
    const rows = new Map<string | number, number[]>()
    pairs.forEach(({ cluster }, i) => {
      const sum = rows.get(cluster ?? i) ?? m0.map(() => 0)
      rows.set(
        cluster ?? i,
        sum.map((v, k) => v + pushes.get(i, k)),
      )
    })
    return rowsOf([...rows.values()])
  }
}

/**
 * The first derivative of a pair's log-likelihood in its margin, for a − n·p, and minus the second, n·p(1 − p). Nothing cancels where the votes
 * are many and the margin is large.
 */
export function surpriseOf({ votes: [a, b] }: VotedPair, margin: number): { push: number; information: number } {
  const [won, lost] = [sigmoid(margin), sigmoid(-margin)]
  return { push: a * lost - b * won, information: (a + b) * won * lost }
}

/**
 * The predictive probability that a beats b, the weights integrated out: σ(μ/√(1 + πv/8)) with μ and v the mean and variance of w·x.
 *
 * source  MacKay 1992, the probit-style approximation; V-LAPLACE-1
 */
export function predict({ mean, covariance }: Pick<Posterior, 'mean' | 'covariance'>, x: readonly number[]): number {
  const column = Matrix.columnVector([...x])
  return predictMargin(dot(column, Matrix.columnVector([...mean])), dot(column, covariance.mmul(column)))
}

/** σ(μ/√(1 + πv/8)): the probability that a beats b whose margin has mean μ and variance v. */
export function predictMargin(mean: number, variance: number): number {
  return sigmoid(mean / Math.sqrt(1 + (Math.PI * variance) / 8))
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

function dot(a: Matrix, b: Matrix): number {
  return a.transpose().mmul(b).get(0, 0)
}
