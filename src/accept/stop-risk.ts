import { tail } from './mean-interval.ts'
import type { StopRules } from './verdict.ts'

/**
 * The risk that each stop rule is given at each look, so that a good model is stopped by any of them in at most 2.5 % of runs: the 2.5 % in equal
 * parts over looks and rules.
 *
 * A rule rejects when an interval lies beyond a bound as a whole. By the union bound the risks of all looks (one after every round, and the
 * sealed one) and of all rules (each end of a guard, the KL budget, the reward's doubt, and gold) add up at most. Equal parts, because a rule that is broken should end
 * a run in any round alike; and nothing is assumed of how looks and rules go together. Accepting needs no correction for several criteria, since
 * all of them must hold.
 *
 * limits  patience and runaway are no such rules: they compare rounds with each other, and say that a run does not get on
 * source  Bonferroni's inequality; Pocock 1977 for equal risks at every look
 */
export function stopRisk({ rounds, klBudget, guards = {}, disagreement, gold }: StopRules): number {
  const ends = Object.values(guards).reduce((sum, bound) => sum + ('between' in bound ? 2 : 1), 0)
  const rules = ends + (klBudget === undefined ? 0 : 1) + (disagreement === undefined ? 0 : 1) + (gold === false ? 0 : 1)
  return tail / ((rounds + 1) * Math.max(1, rules))
}

/** The measures that stop rules read. */
export function stopMeasures({ klBudget, guards = {}, disagreement, gold }: Omit<StopRules, 'rounds'>): string[] {
  return [
    ...Object.keys(guards),
    ...(klBudget === undefined ? [] : ['klFromReference']),
    ...(disagreement === undefined ? [] : ['rewardDoubt']),
    ...(gold === false ? [] : ['gold']),
  ]
}
