import { Matrix } from 'ml-matrix'
import { covarianceOf, type Gaussian, logDet, solve } from './gaussian.ts'
import { surpriseOf } from './likelihood.ts'
import { robustSd } from './robust-sd.ts'
import type { VotedPair } from './voted-pair.ts'

/** N(m, H⁻¹) over goal weights given votes, and how the votes themselves scatter about it. */
export interface LaplacePosterior extends Gaussian {
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
export function laplacePosterior({ mean: m0, precision: precision0 }: Gaussian, pairs: readonly VotedPair[]): LaplacePosterior {
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

  const { curvature } = derivatives(w)
  const covariance = covarianceOf(curvature)
  const mean = w.to1DArray()
  return {
    mean,
    precision: curvature,
    covariance,
    sd: robustSd({ mean, covariance }, precision0, pairs),
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
    return { score, curvature }
  }

  /** A matrix with one row per weight-sized vector; there may be none. */
  function rowsOf(vectors: readonly (readonly number[])[]): Matrix {
    const matrix = Matrix.zeros(vectors.length, m0.length)
    vectors.forEach((vector, i) => void matrix.setRow(i, [...vector]))
    return matrix
  }
}

function logSigmoid(x: number): number {
  return Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)))
}

function dot(a: Matrix, b: Matrix): number {
  return a.transpose().mmul(b).get(0, 0)
}
