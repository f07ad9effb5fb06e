import { Matrix } from 'ml-matrix'
import { UserError } from '../graph/errors.ts'
import type { Posterior } from './posterior.ts'

/**
 * w·φ − k·sd: how good a completion is by the posterior of goal weights, less k standard deviations of that. With k above 0 a completion that
 * the votes say little about stands lower than one that they know to be as good.
 *
 * units   log-odds against a mean completion of the reference; φ in standard deviations from it (`scores`)
 * throws  UserError when k is negative
 * source  Yang et al. 2024, arXiv:2402.13210
 */
export function standingOf({ mean, covariance }: Pick<Posterior, 'mean' | 'covariance'>, phi: readonly number[], sdPenalty = 0): number {
  if (!(sdPenalty >= 0 && Number.isFinite(sdPenalty)))
    throw new UserError(`sdPenalty: must be a number of standard deviations ≥ 0, got ${sdPenalty}; 1 is usual, 0 takes the mean`)
  const column = Matrix.columnVector([...phi])
  const expected = phi.reduce((sum, value, k) => sum + value * mean[k]!, 0)
  return expected - sdPenalty * Math.sqrt(column.transpose().mmul(covariance).mmul(column).get(0, 0))
}

/**
 * Best of n: the place of the completion that stands highest, the first of equals.
 *
 * throws  UserError when there is none, and as standingOf
 */
export function bestOf(
  posterior: Pick<Posterior, 'mean' | 'covariance'>,
  phis: readonly (readonly number[])[],
  { sdPenalty = 0 }: { readonly sdPenalty?: number } = {},
): number {
  if (phis.length === 0) throw new UserError('bestOf: must have completions to choose from, got none; sample at least one')
  const standings = phis.map((phi) => standingOf(posterior, phi, sdPenalty))
  return standings.indexOf(Math.max(...standings))
}
