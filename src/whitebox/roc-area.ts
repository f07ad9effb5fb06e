import { boundedMean } from '../accept/bounded-mean.ts'
import { tail } from '../accept/mean-interval.ts'
import { UserError } from '../graph/errors.ts'
import type { Estimate } from '../runs/index.ts'

/**
 * The area under the receiver operating characteristic: how often a row of the second class has a higher score than one of the first, ties
 * half. Its interval: DeLong's two parts (what each positive, and each negative, comes to against all of the other class) are means of
 * numbers in 0 … 1, so each has the exact bound of a bounded mean, and the distances add up in squares, as in MOVER.
 *
 * throws  UserError when a class has no row
 * source  Hanley and McNeil 1982; DeLong, DeLong and Clarke-Pearson 1988; Zou and Donner 2008 (MOVER)
 */
export function rocArea(scores: readonly number[], labels: readonly number[]): Estimate {
  const [first, second] = [0, 1].map((label) => scores.filter((_, i) => labels[i] === label)) as [number[], number[]]
  if (first.length === 0 || second.length === 0)
    throw new UserError(`roc area: both classes must have rows, got ${first.length} and ${second.length}; give more held-out rows`)
  const above = second.map((s) => first.reduce((sum, t) => sum + (Math.sign(s - t) + 1) / 2, 0) / first.length)
  const below = first.map((t) => second.reduce((sum, s) => sum + (Math.sign(s - t) + 1) / 2, 0) / second.length)
  const estimate = above.reduce((a, b) => a + b, 0) / above.length
  const ends = [above, below].map((parts) => boundedMean(parts, [0, 1], tail))
  const reach = (end: 0 | 1) => Math.hypot(...ends.map((bounds) => bounds[end] - estimate))
  return {
    estimate,
    low: Math.max(0, estimate - reach(0)),
    high: Math.min(1, estimate + reach(1)),
    n: scores.length,
    unit: 'area',
  }
}
