import { Matrix } from 'ml-matrix'
import { sigmoid } from './likelihood.ts'
import type { Posterior } from './posterior.ts'

/**
 * How much one vote on a pair would tell of the goals' weights: ½·ln(1 + v·p(1−p)), with v the variance of the pair's margin w·x under the
 * posterior and p = σ of its mean. This is by how much the vote would sharpen Laplace's posterior, so a pair whose outcome is known, or that differs in
 * nothing the goals see, tells nothing.
 *
 * units   nats
 * source  MacKay 1992, Information-based objective functions for active data selection
 */
export function voteTells({ mean, covariance }: Pick<Posterior, 'mean' | 'covariance'>, x: readonly number[]): number {
  const column = Matrix.columnVector([...x])
  const variance = column.transpose().mmul(covariance).mmul(column).get(0, 0)
  const p = sigmoid(x.reduce((sum, value, k) => sum + value * mean[k]!, 0))
  return Math.log1p(variance * p * (1 - p)) / 2
}
