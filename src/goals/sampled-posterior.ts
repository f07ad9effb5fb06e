import { Matrix } from 'ml-matrix'
import { UserError } from '../graph/errors.ts'
import { logIntegral } from './bridge.ts'
import { type Agreement, agreementOf } from './chains.ts'
import { covarianceOf } from './gaussian.ts'
import { fitted, type Guess, type LogDensity, sampleByHmc } from './hmc.ts'
import { laplacePosterior } from './laplace-posterior.ts'
import { isCorrelated, type Law, logDensityAt, momentsOf, takeApart } from './law.ts'
import { type Likelihood, likelihoodOf } from './likelihood.ts'
import { robustSd } from './robust-sd.ts'
import type { VotedPair } from './voted-pair.ts'

/** The posterior as draws of weights. */
export interface SampledPosterior {
  readonly mean: readonly number[]
  readonly precision: Matrix
  readonly covariance: Matrix
  readonly sd: readonly number[]
  readonly codeLength: number
  readonly draws: readonly Float64Array[]
  readonly agreement: Agreement
  /** The mean of −log2 p(votes | w) over the draws. Units: bits. */
  readonly codeLeft: number
}

/** Chains that agree so far, and are worth so many draws, are taken; else they are run on. */
export const settledFrom = { rHat: 1.01, effectiveDraws: 400 }

/**
 * The posterior of goal weights by HMC, under any law: a weight held to a sign is drawn by its logarithm, and the corner of a Laplace law costs
 * some steps and no truth.
 *
 * units   weights in log-odds per standard deviation; code length in bits
 * throws  UserError when chains of 8 000 draws do not agree
 * limits  means are known to some 1/√1000 of a deviation, the code length to some hundredths of a bit
 */
export function sampledPosterior(law: Law, pairs: readonly VotedPair[], seed = 0): SampledPosterior {
  const likelihood = likelihoodOf(pairs, law.location.length)
  const density = densityOf(law, likelihood)
  const guess = guessOf(law, pairs)
  for (let count = 1000; ; count *= 2) {
    const chains = sampleByHmc(density, guess, { seed, draws: count })
    const agreement = agreementOf(chains)
    if (agreement.rHat <= settledFrom.rHat && agreement.effectiveDraws >= settledFrom.effectiveDraws)
      return summed(law, pairs, likelihood, chains, agreement, -logIntegral(density, chains, seed) / Math.LN2)
    if (count === 8000)
      throw new UserError(
        `prior: the posterior's chains must agree (R̂ at most ${settledFrom.rHat}), got ${agreement.rHat.toFixed(3)} and ${Math.round(agreement.effectiveDraws)} effective draws of ${4 * count}; raise prior.strength, or drop a goal that says what another does`,
      )
  }
}

/** Where a weight is held to a sign, u is the logarithm of its size. */
function densityOf(law: Law, likelihood: Likelihood): LogDensity {
  const taken = takeApart(law)
  return (u, slope) => {
    const w = weightsAt(law, u)
    const own = new Float64Array(u.length)
    let log = likelihood.at(w, own) + logDensityAt(law, taken, w, own)
    for (let k = 0; k < u.length; k++) {
      const held = law.signs[k] !== 0
      if (held) log += u[k]!
      slope[k] = held ? own[k]! * w[k]! + 1 : own[k]!
    }
    return log
  }
}

function weightsAt({ signs }: Law, u: Float64Array): Float64Array {
  return u.map((value, k) => (signs[k] === 0 ? value : signs[k]! * Math.exp(value)))
}

/** Where Newton takes the law's own Gaussian, in the coordinates of the draws. */
function guessOf(law: Law, pairs: readonly VotedPair[]): Guess {
  const precision = covarianceOf(new Matrix(law.covariance.map((row) => [...row])))
  const { mean, covariance } = laplacePosterior({ mean: law.location, precision }, pairs)
  if (law.signs.every((sign) => sign === 0)) return { mean, covariance }
  const sd = mean.map((_, k) => Math.sqrt(covariance.get(k, k)))
  const size = mean.map((m, k) => Math.max(law.signs[k]! * m, sd[k]! / 2))
  return {
    mean: mean.map((m, k) => (law.signs[k] === 0 ? m : Math.log(size[k]!))),
    covariance: Matrix.diag(sd.map((s, k) => (law.signs[k] === 0 ? s : Math.min(s / size[k]!, 1)) ** 2)),
  }
}

function summed(
  law: Law,
  pairs: readonly VotedPair[],
  likelihood: Likelihood,
  chains: readonly (readonly Float64Array[])[],
  agreement: Agreement,
  codeLength: number,
): SampledPosterior {
  const draws = chains.flat().map((u) => weightsAt(law, u))
  const { mean, covariance } = fitted(draws)
  const { variance } = momentsOf(law)
  const precision0 = isCorrelated(law)
    ? covarianceOf(new Matrix(law.covariance.map((row) => [...row])))
    : Matrix.diag(variance.map((v) => 1 / v))
  return {
    ...{ mean, covariance, precision: covarianceOf(covariance), draws, agreement, codeLength },
    sd: robustSd({ mean, covariance }, precision0, pairs),
    codeLeft: -draws.reduce((sum, w) => sum + likelihood.at(w), 0) / draws.length / Math.LN2,
  }
}
