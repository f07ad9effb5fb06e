import { UserError } from '../graph/errors.ts'
import type { Goal } from './goal.ts'
import { normalCdf } from './special-functions.ts'

/** N(m0, S0) over goal weights, independent per goal, in log-odds per standard deviation of each measure. */
export interface GoalPrior {
  readonly goals: readonly Goal[]
  readonly strength: number
  readonly mean: readonly number[]
  readonly variance: readonly number[]
  /** log2 P_prior(G)/P_ref(G), where G is the set of weights whose signs all agree with the stated directions. */
  readonly bits: number
}

/** What a goal is expected to weigh where nobody says: a typical pair (√2 standard deviations apart) is then won two times in three. */
export const usualWeight = 0.5

/**
 * A weak prior over what to want: the reference N(0, 2) per weight, updated by `strength` pseudo-votes that the stated goals cast.
 *
 * A Bradley–Terry vote on a pair x carries the Fisher information p(1−p)·x xᵀ about the weights. At indifference (p = ½) and for two
 * independent samples of the reference model (E x² = 2 on each goal) that is ½ per goal. So
 *
 *     precision  1/S0 = (1 + strength)/2        mean  m0 = direction · weight · strength/(1 + strength)
 *
 * and the reference, strength 0, is itself worth one vote (a unit-information prior), as Beta(½, ½) is to a coin.
 * With one goal a typical pair's log-odds has variance 2·S0 = 4/(1 + strength): that of a coin after 1 + strength tosses.
 *
 * units   strength in votes, in all and not per goal; weights in log-odds per standard deviation; bits
 * throws  UserError when the strength is negative, no goal is named, or a weight is negative or names no goal
 * limits  the goals are taken as uncorrelated on the reference model's samples
 * source  Bradley & Terry 1952; Kass & Wasserman 1995 (unit information)
 */
export function goalPrior({
  goals,
  strength,
  weights = {},
}: {
  goals: readonly Goal[]
  strength: number
  weights?: Readonly<Record<string, number>>
}): GoalPrior {
  if (!(strength >= 0 && Number.isFinite(strength)))
    throw new UserError(`prior.strength: must be a number of votes ≥ 0, got ${strength}; 20 is weak, 0 is no prior`)
  if (goals.length === 0) throw new UserError('prior.goals: must name at least one goal, got none; leave the prior out to have none')
  for (const [name, weight] of Object.entries(weights)) {
    const names = goals.map((goal) => goal.name)
    if (!names.includes(name))
      throw new UserError(`prior.weights: must name a goal of this prior (${names.join(', ')}), got ${name}; mend the name`)
    if (!(weight >= 0 && Number.isFinite(weight)))
      throw new UserError(`prior.weights.${name}: must be ≥ 0, got ${weight}; turn the goal's direction round to want less of it`)
  }
  const variance = goals.map(() => 2 / (1 + strength))
  const mean = goals.map(({ name, direction }) => (direction * (weights[name] ?? usualWeight) * strength) / (1 + strength))
  return { goals, strength, mean, variance, bits: agreementBits(goals, mean, variance) }
}

/** The reference measure a prior's bits are counted against: the same goals, no pseudo-votes, no direction. */
export function referencePrior({ goals }: GoalPrior): GoalPrior {
  return goalPrior({ goals, strength: 0 })
}

/** Σ log2 Φ(direction·m/s) + 1 bit per goal: any independent zero-mean Gaussian puts 2^−d on G. */
function agreementBits(goals: readonly Goal[], mean: readonly number[], variance: readonly number[]): number {
  return goals.reduce((bits, { direction }, k) => bits + 1 + Math.log2(normalCdf((direction * mean[k]!) / Math.sqrt(variance[k]!))), 0)
}
