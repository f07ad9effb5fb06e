import { type Goal, type GoalScale, goalScale, goalsJudge, type Judge, type Sample } from '../goals/index.ts'
import type { OnPolicy, Recipe } from '../recipe/recipe.ts'

/** What can be said once the reference has spoken: how far its completions differ on each goal, and so what a judge made of goals wants. */
export interface Scale {
  /** The prior's goals and, last, the gold measure where there is one. */
  readonly goalScale?: GoalScale
  readonly judge: Judge
}

/**
 * Takes the scale of every goal from samples of the reference.
 *
 * throws  UserError when a goal does not vary among them
 */
export function scaleOf({ prior, gold }: Recipe, { judge }: OnPolicy, samples: readonly Sample[]): Scale {
  const goals = [...(prior?.goals ?? []), ...(gold ? [gold] : [])]
  const found = goals.length > 0 ? { goalScale: goalScale(goals, samples) } : {}
  if (judge.kind !== 'byGoals') return { ...found, judge }
  const judging = goals.filter(({ name }) => Object.hasOwn(judge.weights, name) && name !== gold?.name)
  const weights = judging.map(({ name }) => judge.weights[name]!)
  return { ...found, judge: goalsJudge(goalScale(judging, samples), weights) }
}

/** The scale of a prior's own goals, without the gold measure. */
export function priorScale({ goals, mean, sd, samples }: GoalScale, prior: { readonly goals: readonly Goal[] }): GoalScale {
  const n = prior.goals.length
  return { goals: goals.slice(0, n), mean: mean.slice(0, n), sd: sd.slice(0, n), samples }
}
