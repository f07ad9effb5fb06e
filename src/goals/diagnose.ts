import { random } from '../random/index.ts'
import { lowerOf } from './gaussian.ts'
import type { LaplacePosterior } from './laplace-posterior.ts'
import { type Law, logDensityAt, takeApart } from './law.ts'
import { likelihoodOf } from './likelihood.ts'
import { paretoK } from './pareto.ts'
import type { VotedPair } from './voted-pair.ts'

/** How near a Gaussian is to the posterior that it stands for, by importance weights of draws from it. */
export interface Diagnosis {
  /** Shape of the weights' tail; null where they have none. */
  readonly paretoK: number | null
  /** The share of the draws that the weighted ones are worth. */
  readonly effectiveShare: number
  /** How far the weighted mean is from the Gaussian's, in its standard deviations, at most. */
  readonly meanOff: number
}

/** From a k̂ or a mean so far off, Laplace is poor. */
export const poorFrom = { paretoK: 0.7, meanOff: 0.2 }

const draws = 1000

/**
 * Holds Laplace's Gaussian against the posterior itself.
 *
 * source  Yao et al. 2018, Yes, but did it work?; Vehtari et al. 2024 (k̂)
 */
export function diagnose(found: LaplacePosterior, law: Law, pairs: readonly VotedPair[], seed: number): Diagnosis {
  const d = found.mean.length
  const likelihood = likelihoodOf(pairs, d)
  const taken = takeApart(law)
  const log = (w: ArrayLike<number>) => likelihood.at(w) + logDensityAt(law, taken, w)
  const lower = lowerOf(found.covariance)
  const normals = random(seed, 'diagnosis').normals(draws * d)
  const top = log(found.mean)
  const points = Array.from({ length: draws }, (_, i) => {
    const z = normals.subarray(i * d, (i + 1) * d)
    const at = found.mean.map((m, k) => m + z.subarray(0, k + 1).reduce((sum, value, j) => sum + lower.get(k, j) * value, 0))
    return { at, logWeight: log(at) - top + z.reduce((sum, value) => sum + value * value, 0) / 2 }
  })
  const most = Math.max(...points.map(({ logWeight }) => logWeight))
  const weights = points.map(({ logWeight }) => Math.exp(logWeight - most))
  const total = weights.reduce((a, b) => a + b)
  const k = paretoK(points.map(({ logWeight }) => logWeight))
  return {
    paretoK: Number.isFinite(k) ? k : null,
    effectiveShare: total ** 2 / weights.reduce((sum, w) => sum + w * w, 0) / draws,
    meanOff: Math.max(
      ...found.mean.map((m, k) => {
        const mean = points.reduce((sum, { at }, i) => sum + at[k]! * weights[i]!, 0) / total
        return Math.abs(mean - m) / Math.sqrt(found.covariance.get(k, k))
      }),
    ),
  }
}

/** Why Laplace is poor, undefined where it holds good. */
export function whyPoor({ paretoK, meanOff }: Diagnosis): string | undefined {
  if (paretoK !== null && paretoK > poorFrom.paretoK) return `the Gaussian at the maximum misses its tail (k̂ ${paretoK.toFixed(2)})`
  if (meanOff > poorFrom.meanOff) return `the posterior is skewed (its mean is ${meanOff.toFixed(2)} deviations from its maximum)`
  return undefined
}
