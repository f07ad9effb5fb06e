import { Matrix } from 'ml-matrix'
import { UserError } from '../graph/errors.ts'
import { logDet } from './gaussian.ts'
import type { Goal } from './goal.ts'
import { diagonal, type Law } from './law.ts'
import { checkCovariance, checkGoals, signsOf } from './prior-checks.ts'
import { bitsOf, strengthOf, worthOf } from './prior-dial.ts'

/** Newton and Laplace, sampling by HMC, or the first where its own diagnostic lets it. */
export type PosteriorMethod = 'auto' | 'laplace' | 'hmc'

/** What a goal is expected to weigh where nobody says: a typical pair (√2 standard deviations apart) is then won two times in three. */
export const usualWeight = 0.5

/** The law of one goal's weight. */
export type PriorForm = 'gaussian' | 'laplace'

/** What a prior is made from: goals, a dial (strength or bits) or a covariance, and what else is known of the weights. */
export interface GoalPriorOptions {
  readonly goals: readonly Goal[]
  /** Pseudo-votes, in all. */
  readonly strength?: number | undefined
  /** The same dial in bits: the strength is found that supplies so many. */
  readonly bits?: number | undefined
  /** What each goal is expected to weigh, in its direction; ½ where nothing is said. */
  readonly weights?: Readonly<Record<string, number>> | undefined
  /** Of all weights together. */
  readonly covariance?: readonly (readonly number[])[] | undefined
  /** Of all goals, or by name; gaussian where nothing is said. */
  readonly form?: PriorForm | Readonly<Record<string, PriorForm>> | undefined
  readonly signs?: Readonly<Record<string, 'positive' | 'negative'>> | undefined
  readonly posterior?: PosteriorMethod | undefined
}

/**
 * Reads what a prior is made from.
 *
 * throws  UserError naming the field
 */
export function readPrior(options: GoalPriorOptions): { goals: readonly Goal[]; law: Law; strength: number; posterior: PosteriorMethod } {
  const { goals, strength, bits, weights = {}, covariance, signs = {}, posterior = 'auto' } = options
  checkGoals(goals)
  if (strength !== undefined && bits !== undefined)
    throw new UserError('prior: must have one dial, got strength and bits; leave one of them out')
  if (strength === undefined && bits === undefined && covariance === undefined)
    throw new UserError('prior.strength: must be given, in votes, or bits, or a covariance, got none; 20 votes is weak')
  if (strength !== undefined && !(strength >= 0 && Number.isFinite(strength)))
    throw new UserError(`prior.strength: must be a number of votes ≥ 0, got ${strength}; 20 is weak, 0 is no prior`)
  checkWeights(goals, weights)
  if (covariance) checkCovariance(covariance, goals.length)
  const laplace = laplaceOf(options)
  const expected = goals.map(({ name, direction }) => direction * (weights[name] ?? usualWeight))
  const shape = covariance ?? diagonal(goals.map(() => 1))
  const at = (votes: number): Law => {
    const scale = 2 / (1 + votes) / Math.exp(logDet(new Matrix(shape.map((row) => [...row]))) / goals.length)
    return {
      location: expected.map((weight) => (weight * votes) / (1 + votes)),
      covariance: shape.map((row) => row.map((value) => value * scale)),
      ...{ laplace, signs: signsOf(goals, signs) },
    }
  }
  const method = posteriorOf(posterior, at(0))
  if (strength !== undefined) return { goals, law: at(strength), strength, posterior: method }
  if (bits !== undefined) {
    const found = strengthOf(bits, (votes) => bitsOf(goals, at(votes)))
    return { goals, law: at(found), strength: found, posterior: method }
  }
  const law = { ...at(1), location: expected, covariance: shape }
  return { goals, law, strength: worthOf(law), posterior: method }
}

function checkWeights(goals: readonly Goal[], weights: Readonly<Record<string, number>>): void {
  const names = goals.map(({ name }) => name)
  for (const [name, weight] of Object.entries(weights)) {
    if (!names.includes(name))
      throw new UserError(`prior.weights: must name a goal of this prior (${names.join(', ')}), got ${name}; mend the name`)
    if (!(weight >= 0 && Number.isFinite(weight)))
      throw new UserError(`prior.weights.${name}: must be ≥ 0, got ${weight}; turn the goal's direction round to want less of it`)
  }
}

function laplaceOf({ goals, form = 'gaussian', covariance }: GoalPriorOptions): boolean[] {
  const names = goals.map(({ name }) => name)
  const byName = typeof form === 'string' ? Object.fromEntries(names.map((name) => [name, form])) : form
  for (const [name, said] of Object.entries(byName)) {
    if (!names.includes(name))
      throw new UserError(`prior.form: must name a goal of this prior (${names.join(', ')}), got ${name}; mend the name`)
    if (said !== 'gaussian' && said !== 'laplace')
      throw new UserError(`prior.form: must be gaussian or laplace, got ${JSON.stringify(said)}; leave it out for gaussian`)
  }
  const laplace = names.map((name) => byName[name] === 'laplace')
  laplace.forEach((is, k) => {
    const with_ = is && covariance ? covariance[k]!.findIndex((value, j) => j !== k && value !== 0) : -1
    if (with_ >= 0)
      throw new UserError(`prior.covariance: must be 0 between a laplace goal and any other, got ${covariance![k]![with_]} between ${names[k]} and ${names[with_]}; make both gaussian`) // biome-ignore format: one line
  })
  return laplace
}

function posteriorOf(posterior: PosteriorMethod, { laplace, signs }: Law): PosteriorMethod {
  if (!['auto', 'laplace', 'hmc'].includes(posterior))
    throw new UserError(`prior.posterior: must be auto, laplace or hmc, got ${JSON.stringify(posterior)}; leave it out for auto`)
  const edge = laplace.includes(true)
    ? 'a laplace prior, which has a corner'
    : signs.some((sign) => sign !== 0)
      ? 'signs, which have an edge'
      : ''
  if (posterior === 'laplace' && edge) throw new UserError(`prior.posterior: must be hmc or auto with ${edge}, got laplace; leave it out`)
  return posterior
}
