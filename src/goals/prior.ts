import { UserError } from '../graph/errors.ts'
import type { Goal } from './goal.ts'
import { diagonal, drawOf, gaussianLaw, type Law, logDensityAt, momentsOf, signProbability, takeApart } from './law.ts'
import { checkCovariance, checkGoals, checkNumbers, signsOf } from './prior-checks.ts'
import { bitsOf, worthOf } from './prior-dial.ts'
import { type GoalPriorOptions, type PosteriorMethod, readPrior } from './prior-options.ts'

/** A law of goal weights, in log-odds per standard deviation of each measure. */
export interface GoalPrior {
  readonly goals: readonly Goal[]
  /** What it is worth in votes: 2·|covariance|^(−1/goals) − 1, signs apart. Below 0 it says less than the reference. */
  readonly strength: number
  /** The expected weights, and their variances. */
  readonly mean: readonly number[]
  readonly variance: readonly number[]
  /** log2 P_prior(G)/P_ref(G), where G is the set of weights whose signs all agree with the stated directions. */
  readonly bits: number
  readonly law: Law
  /** How its posterior is found. */
  readonly posterior: PosteriorMethod
  /** Weights drawn from it; the same seed draws the same. */
  readonly sample: (seed: number) => number[]
  /** ln of its density at some weights, −∞ where a sign is against them. */
  readonly logDensity: (weights: readonly number[]) => number
  /** The options it was made from, where it was made from some. */
  readonly written?: GoalPriorOptions
}

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
 * The dial turns by `bits` too. A `covariance` by itself is taken as it is, with the mean direction · weight; beside a dial it is scaled to it.
 * A goal of form `laplace` has the same variance. `signs` hold weights to one side of zero.
 *
 * units   strength in votes, in all and not per goal; weights in log-odds per standard deviation; bits
 * throws  UserError for what does not go together, a singular covariance and contradictory signs among it
 * limits  without a covariance the goals are taken as uncorrelated on the reference model's samples
 * source  Bradley & Terry 1952; Kass & Wasserman 1995 (unit information)
 */
export function goalPrior(options: GoalPriorOptions): GoalPrior {
  const { goals, law, strength, posterior } = readPrior(options)
  return priorOf(goals, law, { strength, posterior, written: options })
}

/**
 * N(mean, covariance) over the weights of goals.
 *
 * throws  UserError when sizes differ, a number is not finite, or the covariance is not symmetric and positive definite
 */
export function gaussianPrior(given: {
  goals: readonly Goal[]
  mean: readonly number[]
  covariance: readonly (readonly number[])[]
}): GoalPrior {
  checkGoals(given.goals)
  checkNumbers('prior.mean', given.mean, given.goals.length)
  checkCovariance(given.covariance, given.goals.length)
  return priorOf(given.goals, gaussianLaw(given.mean, given.covariance))
}

/**
 * A Laplace prior, of density exp(−|w − mean|/scale)/(2·scale) for each weight: surer than a Gaussian of its variance near the mean, and sooner
 * persuaded far from it.
 *
 * throws  UserError when sizes differ, or a scale is not above 0
 */
export function laplacePrior(given: { goals: readonly Goal[]; mean: readonly number[]; scale: readonly number[] }): GoalPrior {
  checkGoals(given.goals)
  checkNumbers('prior.mean', given.mean, given.goals.length)
  checkNumbers('prior.scale', given.scale, given.goals.length)
  const wrong = given.scale.find((scale) => scale <= 0)
  if (wrong !== undefined) throw new UserError(`prior.scale: must be above 0, got ${wrong}; leave the goal out to say nothing of it`)
  const law = gaussianLaw(given.mean, diagonal(given.scale.map((scale) => 2 * scale * scale)))
  return priorOf(given.goals, { ...law, laplace: given.goals.map(() => true) })
}

/**
 * A prior held to signs: no weight on the other side of zero.
 *
 * throws  UserError when a sign is against its goal's direction, against another sign, or against nearly all of the prior
 */
export function withSigns({ goals, law, posterior }: GoalPrior, signs: Readonly<Record<string, 'positive' | 'negative'>>): GoalPrior {
  const asked = signsOf(goals, signs)
  const both = law.signs.findIndex((sign, k) => sign * asked[k]! < 0)
  if (both >= 0)
    throw new UserError(`prior.signs.${goals[both]!.name}: must be one of positive and negative, got both; leave one of them out`)
  return priorOf(goals, { ...law, signs: law.signs.map((sign, k) => (sign === 0 ? asked[k]! : sign)) }, { posterior })
}

/**
 * Priors over different goals as one, independent of each other.
 *
 * throws  UserError when a goal is in two of them
 */
export function together(...priors: readonly GoalPrior[]): GoalPrior {
  const goals = priors.flatMap((prior) => prior.goals)
  checkGoals(goals)
  const law: Law = {
    location: priors.flatMap(({ law }) => law.location),
    laplace: priors.flatMap(({ law }) => law.laplace),
    signs: priors.flatMap(({ law }) => law.signs),
    covariance: priors.flatMap(({ law }, i) => {
      const before = priors.slice(0, i).reduce((sum, { goals }) => sum + goals.length, 0)
      return law.covariance.map((row) => [...goals.slice(0, before).map(() => 0), ...row, ...goals.slice(before + row.length).map(() => 0)])
    }),
  }
  return priorOf(goals, law)
}

/** The reference measure a prior's bits are counted against: the same goals, no pseudo-votes, no direction. */
export function referencePrior({ goals }: Pick<GoalPrior, 'goals'>): GoalPrior {
  return goalPrior({ goals, strength: 0 })
}

/** A prior from its law. */
function priorOf(
  goals: readonly Goal[],
  law: Law,
  {
    strength = worthOf(law),
    posterior = 'auto',
    written,
  }: { strength?: number; posterior?: PosteriorMethod; written?: GoalPriorOptions } = {},
): GoalPrior {
  const inside = law.signs.some((sign) => sign !== 0) ? signProbability(law) : 1
  if (!(inside > 1e-4))
    throw new UserError(`prior.signs: must leave the prior room, got signs that hold for a share of ${inside.toPrecision(2)} of it; turn the signs round, or state weights that agree with them`) // biome-ignore format: one line
  const taken = takeApart(law)
  return {
    ...{ goals, strength, ...momentsOf(law), bits: bitsOf(goals, law), law, posterior },
    sample: (seed) => drawOf(law, seed),
    logDensity(weights) {
      checkNumbers('logDensity', weights, goals.length)
      return logDensityAt(law, taken, weights)
    },
    ...(written ? { written } : {}),
  }
}
