import { Matrix } from 'ml-matrix'
import { logVotes, sigmoid } from './likelihood.ts'
import { type Believed, type Posterior, posteriorOf } from './posterior.ts'
import type { PosteriorMethod } from './prior-options.ts'
import type { VotedPair } from './voted-pair.ts'

/** Where blocks end, as shares of all pairs. */
export const blockEnds = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1]

/**
 * The prequential code of votes: each block is told by what the blocks before it taught, pair by pair, and the model learns after it. With a block a
 * pair it is the evidence, up to the posterior's own approximation; with larger ones on average longer, since a block teaches nothing while it is told.
 *
 * units   bits
 * source  Dawid 1984; Voita & Titov 2020, arXiv:2003.12298, for the blocks
 */
export function prequentialBits(
  prior: Believed,
  pairs: readonly VotedPair[],
  { ends = blockEnds, ...how }: { readonly ends?: readonly number[]; readonly method?: PosteriorMethod; readonly seed?: number } = {},
): number {
  const places = [...new Set([...ends.map((share) => Math.ceil(share * pairs.length)), pairs.length])].sort((a, b) => a - b)
  let [bits, from] = [0, 0]
  for (const to of places) {
    if (to <= from) continue
    const posterior = posteriorOf(prior, pairs.slice(0, from), how)
    bits -= pairs.slice(from, to).reduce((sum, pair) => sum + logTold(posterior, pair), 0) / Math.LN2
    from = to
  }
  return bits
}

/** ln of the probability of a pair's votes, in their order. */
function logTold({ mean, covariance, draws }: Posterior, { x, votes }: VotedPair): number {
  const margin = (w: ArrayLike<number>) => x.reduce((sum, value, k) => sum + value * w[k]!, 0)
  if (draws)
    return Math.log(draws.reduce((sum, w) => sum + sigmoid(margin(w)) ** votes[0] * sigmoid(-margin(w)) ** votes[1], 0) / draws.length)
  const column = Matrix.columnVector([...x])
  return logVotes(votes, margin(mean), column.transpose().mmul(covariance).mmul(column).get(0, 0))
}
