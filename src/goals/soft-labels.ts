import { UserError } from '../graph/errors.ts'

/** One pseudo-vote per pair: a pair with one vote is labelled half by it and half by what all votes taken together predict. */
export const usualKappa = 1

/**
 * q = (votes + κ·p)/(n + κ): the share for a, with the posterior predictive p counted as κ further votes.
 * It is how the prior and all other votes speak in training; more votes on the pair wash them out, which label smoothing never allows.
 *
 * units   κ in votes per pair; κ = 0 leaves the votes as they are
 * throws  UserError when κ is negative, or when there is neither a vote nor a κ
 * source  the posterior mean of Beta(κp, κ(1−p)); V-SMOOTH-1
 */
export function softLabel(votes: readonly [forA: number, forB: number], p: number, kappa = usualKappa): number {
  if (!(kappa >= 0 && Number.isFinite(kappa)))
    throw new UserError(`kappa: must be a number of votes ≥ 0, got ${kappa}; 0 trains on the votes as they are`)
  const n = votes[0] + votes[1]
  if (n + kappa === 0) throw new UserError('kappa: a pair without votes needs κ > 0, got 0; ask for votes, drop the pair or raise κ')
  return (votes[0] + kappa * p) / (n + kappa)
}
