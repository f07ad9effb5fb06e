import { UserError } from '../graph/index.ts'
import type { Recipe } from '../recipe/recipe.ts'
import { openGiven } from './given-loop.ts'
import { openJudged } from './judged-loop.ts'
import type { Loop } from './loop.ts'
import type { Models } from './open-models.ts'
import { openRewarded } from './rewarded-loop.ts'
import type { Stopping, Watch } from './watch.ts'

/**
 * Prepares what a recipe learns from.
 *
 * throws  UserError for a file without anything that align could measure, and for what is wrong with the files
 */
export async function openLoop(recipe: Recipe, models: Models, watch: Watch, stopping: Stopping = {}): Promise<Loop> {
  const { preferences, objective } = recipe
  if (objective.kind.scores)
    throw new UserError(
      `objective.name: must be an objective of a policy for align, got ${objective.name}, which trains what scores completions; run: innate train`,
    )
  if (preferences.kind === 'onPolicy') return openJudged(recipe, preferences, models, watch, stopping)
  if (preferences.kind === 'rewarded') return openRewarded(recipe, preferences, models, watch, stopping)
  const holdsOut = preferences.kind === 'file' && preferences.heldOut > 0
  if (preferences.kind === 'texts' || preferences.kind === 'rollouts' || (!recipe.shutdown && !holdsOut))
    throw new UserError(
      preferences.kind === 'file'
        ? 'preferences.heldOut: must hold some rows out, on which align looks at the model, got 0; write 0.2, add shutdown: { evals: FILE }, or run: innate train'
        : `preferences: must be pairs, prompts with a judge, or tasks for align, got a file of ${preferences.kind}; run: innate train`,
    )
  return openGiven(recipe, preferences, models, watch, stopping.signal)
}
