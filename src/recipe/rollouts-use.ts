import { UserError } from '../graph/index.ts'
import type { RolloutObjective } from '../objectives/index.ts'
import type { Recipe } from './recipe.ts'
import { policyGradients } from './rewarded.ts'

/** Whether a recipe has rollouts, or an objective that needs them. */
export function readsRollouts({ preferences, objective }: Pick<Recipe, 'preferences' | 'objective'>): boolean {
  return preferences.kind === 'rollouts' || objective.kind.reads.includes('rollouts')
}

/**
 * Completions with rewards are learned by policy gradients alone, and a step takes whole groups of them.
 *
 * throws  UserError naming the field
 */
export function checkRollouts(given: Recipe): void {
  const { preferences, objective, train } = given
  if (preferences.kind !== 'rollouts')
    throw new UserError(
      `preferences: must be rollouts for ${objective.name}, got ${preferences.kind === 'texts' ? 'texts' : 'pairs'}; name a file of completions with rewards under preferences.rollouts, or choose another objective`,
    )
  if (!objective.kind.reads.includes('rollouts'))
    throw new UserError(
      `objective.name: must be a policy-gradient objective for preferences.rollouts, got ${objective.name}; choose from ${policyGradients().join(', ')}`,
    )
  for (const field of ['prior', 'gap', 'fresh'] as const)
    if (given[field])
      throw new UserError(`${field}: must be left out with preferences.rollouts, whose rewards are there already, got one; leave it out`)
  const { group = 1 } = objective as RolloutObjective
  if (train.batch % group !== 0)
    throw new UserError(
      `train.batch: must be a multiple of objective.group ${group}, since a step takes whole groups of completions, got ${train.batch}; say ${Math.ceil(train.batch / group) * group}`,
    )
}
