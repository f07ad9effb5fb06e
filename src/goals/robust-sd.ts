import { Matrix } from 'ml-matrix'
import { surpriseOf } from './likelihood.ts'
import type { VotedPair } from './voted-pair.ts'

/**
 * The standard deviation of each weight, never below the sandwich C(S0⁻¹ + Σ g gᵀ)C, where C is the posterior's covariance and g a cluster's
 * summed score x·(for a − n·p) at its mean: goals explain only part of a voter, and votes of a cluster share the rest.
 *
 * source  Huber 1967 (sandwich)
 */
export function robustSd(
  { mean, covariance }: { readonly mean: readonly number[]; readonly covariance: Matrix },
  precision0: Matrix,
  pairs: readonly VotedPair[],
): number[] {
  const clusters = new Map<string | number, number[]>()
  pairs.forEach((pair, i) => {
    const key = pair.cluster ?? i
    const { push } = surpriseOf(
      pair,
      pair.x.reduce((sum, value, k) => sum + value * mean[k]!, 0),
    )
    const sum = clusters.get(key) ?? mean.map(() => 0)
    pair.x.forEach((value, k) => void (sum[k]! += push * value))
    clusters.set(key, sum)
  })
  const scores = Matrix.zeros(clusters.size, mean.length)
  for (const [row, sum] of [...clusters.values()].entries()) scores.setRow(row, sum)
  const robust = covariance.mmul(Matrix.add(precision0, scores.transpose().mmul(scores))).mmul(covariance)
  return mean.map((_, k) => Math.sqrt(Math.max(covariance.get(k, k), robust.get(k, k))))
}
