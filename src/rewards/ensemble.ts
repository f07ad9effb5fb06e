import { UserError } from '../graph/errors.ts'
import type { Scored } from './reward.ts'

/** How what the members of an ensemble say becomes one score. */
export const aggregations = ['mean', 'worst', 'variance'] as const
export type Aggregation = (typeof aggregations)[number]

/**
 * The scores of an ensemble: their mean; the worst of them; or the mean less `lambda` times their variance. The doubt is how far members lie apart
 * together with their own: √(variance between them + mean of their sd²).
 *
 * shape   scores by member, then by text
 * units   lambda in 1/score for `variance`
 * throws  UserError for fewer than two members
 * source  Coste et al. 2023, arXiv:2310.02743 (mean, worst case, uncertainty-weighted)
 */
export function aggregate(members: readonly (readonly Scored[])[], by: Aggregation = 'mean', lambda = 1): Scored[] {
  if (members.length < 2)
    throw new UserError(
      `reward: an ensemble must have at least 2 members, got ${members.length}; train more, with other seeds or bootstraps`,
    )
  return members[0]!.map((_, i) => {
    const said = members.map((scores) => scores[i]!)
    const mean = said.reduce((sum, { value }) => sum + value, 0) / said.length
    const between = said.reduce((sum, { value }) => sum + (value - mean) ** 2, 0) / (said.length - 1)
    const own = said.reduce((sum, { sd = 0 }) => sum + sd ** 2, 0) / said.length
    const value = { mean, worst: Math.min(...said.map(({ value }) => value)), variance: mean - lambda * between }[by]
    return { value, sd: Math.sqrt(between + own) }
  })
}
