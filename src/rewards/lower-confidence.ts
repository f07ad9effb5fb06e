import { UserError } from '../graph/errors.ts'
import type { Reward, Scored } from './reward.ts'

/**
 * A reward that believes less where it knows less: value − k·sd. A policy that is trained on it gains nothing by going where nobody looked.
 *
 * units   k in standard deviations
 * throws  UserError for a k that is not from 0 on, and on scoring where the reward does not know its doubt
 * source  Yang et al. 2024, arXiv:2402.13210; Coste et al. 2023, arXiv:2310.02743
 */
export function lowerConfidence(reward: Reward, k: number): Reward {
  if (!(Number.isFinite(k) && k >= 0))
    throw new UserError(`reward.k: must be a number from 0 on, got ${k}; 1 takes one standard deviation off`)
  const lowered = ({ value, sd }: Scored): Scored => {
    if (sd === undefined)
      throw new UserError(
        `reward ${reward.name}: must know its doubt for a lower confidence bound, got a score without sd; take a reward model that innate train made, or an ensemble`,
      )
    return { value: value - k * sd, sd }
  }
  return {
    name: `${reward.name} − ${k}·sd`,
    score: async (rows, signal, onScored) =>
      (await reward.score(rows, signal, onScored && ((row, scored) => onScored(row, lowered(scored))))).map(lowered),
    close: reward.close,
  }
}
