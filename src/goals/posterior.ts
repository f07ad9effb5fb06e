import { Matrix } from 'ml-matrix'
import { type Diagnosis, diagnose, whyPoor } from './diagnose.ts'
import { covarianceOf, type Divergence, klGaussian } from './gaussian.ts'
import { type LaplacePosterior, laplacePosterior } from './laplace-posterior.ts'
import { diagonal, gaussianLaw, isGaussian, type Law } from './law.ts'
import { sigmoid } from './likelihood.ts'
import type { GoalPrior } from './prior.ts'
import type { PosteriorMethod } from './prior-options.ts'
import { sampledPosterior } from './sampled-posterior.ts'
import type { VotedPair } from './voted-pair.ts'

/** The law of goal weights given votes. */
export interface Posterior extends LaplacePosterior {
  /** How it was found, and what says whether that is good enough. */
  readonly found: Found
  /** KL(posterior‖prior): what the votes taught about the weights. Units: bits. */
  readonly data: Divergence
  /** Weights drawn from it, where it was found by HMC. */
  readonly draws?: readonly Float64Array[]
  /** The probability that a beats b, the weights integrated out, for x = φ(a) − φ(b). */
  readonly predict: (x: readonly number[]) => number
}

/** Newton and Laplace with what importance weights say of it, or HMC with how its chains agree and why it was taken. */
export type Found =
  | ({ readonly method: 'laplace' } & Partial<Diagnosis>)
  | { readonly method: 'hmc'; readonly rHat: number; readonly effectiveDraws: number; readonly because: string }

/** A prior, or as much of one as a posterior is made from. */
export type Believed = Pick<GoalPrior, 'mean' | 'variance'> & Partial<Pick<GoalPrior, 'law' | 'posterior'>>

/** So many votes leave nothing that a Gaussian misses, and more digits than there are. */
const many = 1e9

/**
 * The posterior of goal weights given all votes: Newton and Laplace where the prior is Gaussian and importance weights find that good enough, HMC
 * where they do not, where it is asked for, and where a Laplace prior has a corner or signs have an edge.
 *
 * units   weights in log-odds per standard deviation; code length in bits
 * throws  UserError when chains do not agree
 */
export function posteriorOf(
  prior: Believed,
  pairs: readonly VotedPair[],
  { method = prior.posterior ?? 'laplace', seed = 0 }: { readonly method?: PosteriorMethod; readonly seed?: number } = {},
): Posterior {
  const law = prior.law ?? gaussianLaw(prior.mean, diagonal(prior.variance))
  if (!isGaussian(law)) return bySampling(law, prior, pairs, seed, 'the prior has a corner or an edge')
  if (method === 'hmc') return bySampling(law, prior, pairs, seed, 'it was asked for')
  const found = laplacePosterior(gaussianOf(law), pairs)
  const votes = pairs.reduce((sum, { votes: [a, b] }) => sum + a + b, 0)
  if (method === 'laplace' || votes > many) return byLaplace(law, found, {})
  const diagnosis = diagnose(found, law, pairs, seed)
  const why = whyPoor(diagnosis)
  return why === undefined ? byLaplace(law, found, diagnosis) : bySampling(law, prior, pairs, seed, why)
}

function byLaplace(law: Law, found: LaplacePosterior, diagnosis: Partial<Diagnosis>): Posterior {
  return {
    ...found,
    found: { method: 'laplace', ...diagnosis },
    data: klGaussian(found, gaussianOf(law)),
    predict: (x) => predict(found, x),
  }
}

function bySampling(law: Law, { mean, variance }: Believed, pairs: readonly VotedPair[], seed: number, because: string): Posterior {
  const { agreement, codeLeft, ...found } = sampledPosterior(law, pairs, seed)
  // KL(posterior‖prior) = E[log p(votes | w)] − log p(votes), with both sides known.
  const bits = found.codeLength - codeLeft
  const step = Matrix.columnVector(found.mean.map((m, k) => m - mean[k]!))
  const precision = isGaussian(law) ? gaussianOf(law).precision : Matrix.diag(variance.map((v) => 1 / v))
  const moved = step.transpose().mmul(precision).mmul(step).get(0, 0) / 2 / Math.LN2
  return {
    ...found,
    found: { method: 'hmc', ...agreement, because },
    data: { bits, moved, sharpened: bits - moved },
    predict: (x) => predict(found, x),
  }
}

/** A Gaussian law by mean and precision. */
export function gaussianOf({ location, covariance }: Law) {
  return { mean: location, precision: covarianceOf(new Matrix(covariance.map((row) => [...row]))) }
}

/**
 * The predictive probability that a beats b, the weights integrated out: the mean of σ(w·x) over draws, or where there are none
 * σ(μ/√(1 + πv/8)) with μ and v the mean and variance of w·x.
 *
 * source  MacKay 1992, the probit-style approximation; V-LAPLACE-1
 */
export function predict(
  { mean, covariance, draws }: Pick<Posterior, 'mean' | 'covariance'> & Partial<Pick<Posterior, 'draws'>>,
  x: readonly number[],
): number {
  const margin = (w: ArrayLike<number>) => x.reduce((sum, value, k) => sum + value * w[k]!, 0)
  if (draws) return draws.reduce((sum, w) => sum + sigmoid(margin(w)), 0) / draws.length
  const column = Matrix.columnVector([...x])
  return predictMargin(margin(mean), column.transpose().mmul(covariance).mmul(column).get(0, 0))
}

/** σ(μ/√(1 + πv/8)): the probability that a beats b whose margin has mean μ and variance v. */
export function predictMargin(mean: number, variance: number): number {
  return sigmoid(mean / Math.sqrt(1 + (Math.PI * variance) / 8))
}
