import {
  type Contribution,
  contribution,
  features,
  type GoalPrior,
  type GoalScale,
  predictLeftOut,
  type Sample,
  softLabel,
} from '../goals/index.ts'
import type { ContributionRow } from '../runs/index.ts'

/** Two completions that were voted on. */
export interface Voted {
  readonly a: Sample
  readonly b: Sample
  readonly votes: readonly [forA: number, forB: number]
}

/** The soft label of each pair, and what prior and votes put into it. */
export interface Labels {
  /** Probability that a is the better one. */
  readonly soft: readonly number[]
  readonly contribution?: ContributionRow
}

/**
 * Soft labels q = (votes for a + κ·p) / (votes + κ), where p is what the posterior of the goals predicts for the pair, given the prior
 * and the votes on all other pairs. Without a prior they are the votes as they are.
 */
export function labelPairs(
  voted: readonly Voted[],
  kappa: number,
  prior?: { readonly prior: GoalPrior; readonly scale: GoalScale },
): Labels {
  if (!prior) return { soft: voted.map(({ votes }) => softLabel(votes, 0.5, 0)) }
  const rows = voted.map(({ a, b, votes }) => ({ x: features(prior.scale, a, b), votes, cluster: a.prompt }))
  const { posterior, contribution: found } = contribution(prior.prior, rows)
  const others = predictLeftOut(prior.prior, rows, posterior)
  const soft = rows.map(({ votes }, i) => softLabel(votes, others[i]!, kappa))
  return { soft, contribution: row(prior.prior, found) }
}

function row({ strength }: GoalPrior, found: Contribution): ContributionRow {
  return { strength, ...found }
}
