import { type Goal, goalsJudge, type Judge, type Sample, type Standard, standardise } from '../goals/index.ts'
import type { OnPolicy, Recipe } from '../recipe/recipe.ts'

/** What can be said once the reference has spoken: how far its completions differ on each goal, and so what a judge made of goals wants. */
export interface Scale {
  /** The prior's goals and, last, the gold measure where there is one. */
  readonly standard?: Standard
  readonly judge: Judge
}

/**
 * Takes the scale of every goal from samples of the reference.
 *
 * throws  UserError when a goal does not vary among them
 */
export function scaleOf({ prior, gold }: Recipe, { judge }: OnPolicy, samples: readonly Sample[]): Scale {
  const goals = [...(prior?.goals ?? []), ...(gold ? [gold] : [])]
  const standard = goals.length > 0 ? { standard: standardise(goals, samples) } : {}
  if (judge.kind !== 'byGoals') return { ...standard, judge }
  const judging = goals.filter(({ name }) => Object.hasOwn(judge.weights, name) && name !== gold?.name)
  const weights = judging.map(({ name }) => judge.weights[name]!)
  return { ...standard, judge: goalsJudge(standardise(judging, samples), weights) }
}

/** The scale of a prior's own goals, without the gold measure. */
export function priorScale({ goals, mean, sd, samples }: Standard, prior: { readonly goals: readonly Goal[] }): Standard {
  const n = prior.goals.length
  return { goals: goals.slice(0, n), mean: mean.slice(0, n), sd: sd.slice(0, n), samples }
}
