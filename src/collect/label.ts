import {
  type Contribution,
  contribution,
  features,
  type GoalPrior,
  type GoalScale,
  predictLeftOut,
  type Sample,
  scores,
  softLabel,
  standingOf,
} from '../goals/index.ts'
import type { ContributionRow } from '../runs/index.ts'

/** Two completions that were voted on. */
export interface Voted {
  readonly a: Sample
  readonly b: Sample
  readonly votes: readonly [forA: number, forB: number]
}

/** The probability that a pair's first side wins a vote: by the posterior of all votes, and by that of all votes on other pairs. */
export interface Prediction {
  readonly votes: readonly [forA: number, forB: number]
  readonly predicted: number
  readonly byOthers: number
  readonly label: number
}

/** The soft label of each pair, and what prior and votes put into it. */
export interface Labels {
  /** Probability that a is the better one. */
  readonly soft: readonly number[]
  /** With a prior: m0·φ of a and b, how good it takes each to be. Units: log-odds against a mean completion of the reference. */
  readonly prior?: readonly (readonly [a: number, b: number])[]
  /** Where asked for: how high a and b stand by the posterior. Units as above. */
  readonly standings?: readonly (readonly [a: number, b: number])[]
  readonly contribution?: ContributionRow
  /** With a prior: what the posterior says of each pair. */
  readonly predictions?: readonly Prediction[]
}

/**
 * Soft labels q = (votes for a + κ·p) / (votes + κ), where p is what the posterior of the goals predicts for the pair, given the prior
 * and the votes on all other pairs. Without a prior they are the votes as they are. With `sdPenalty` they come with w·φ − sdPenalty·sd.
 */
export function labelPairs(
  voted: readonly Voted[],
  kappa: number,
  prior?: { readonly prior: GoalPrior; readonly scale: GoalScale },
  sdPenalty?: number,
): Labels {
  if (!prior) return { soft: voted.map(({ votes }) => softLabel(votes, 0.5, 0)) }
  const rows = voted.map(({ a, b, votes }) => ({ x: features(prior.scale, a, b), votes, cluster: a.prompt }))
  const { posterior, contribution: found } = contribution(prior.prior, rows)
  const others = predictLeftOut(prior.prior, rows, posterior)
  const soft = rows.map(({ votes }, i) => softLabel(votes, others[i]!, kappa))
  const both = (of: (phi: readonly number[]) => number) =>
    voted.map(({ a, b }) => [of(scores(prior.scale, a)), of(scores(prior.scale, b))] as const)
  const { mean } = prior.prior
  return {
    soft,
    contribution: row(prior.prior, found),
    predictions: rows.map(({ x, votes }, i) => ({ votes, predicted: posterior.predict(x), byOthers: others[i]!, label: soft[i]! })),
    prior: both((phi) => phi.reduce((sum, value, k) => sum + value * mean[k]!, 0)),
    ...(sdPenalty === undefined ? {} : { standings: both((phi) => standingOf(posterior, phi, sdPenalty)) }),
  }
}

function row({ strength }: GoalPrior, found: Contribution): ContributionRow {
  return { strength, ...found }
}
