import type { Recipe } from '../recipe/recipe.ts'
import type { FromFile, FromRollouts, FromTexts } from '../recipe/sources.ts'
import type { Models } from './open-models.ts'
import { openPreferences } from './open-preferences.ts'
import { openRollouts } from './train-rollouts.ts'
import type { TrainingSource } from './train-run.ts'
import { openSteps } from './train-steps.ts'
import { openTexts } from './train-texts.ts'
import type { Watch } from './watch.ts'

/** Reads the file that a recipe trains on, whatever it holds. */
export async function openSource(
  from: FromFile | FromTexts | FromRollouts,
  recipe: Recipe,
  models: Models,
  watch: Watch,
): Promise<TrainingSource> {
  if (from.kind === 'texts') return openTexts(from, recipe, models, watch)
  if (from.kind === 'file' && recipe.objective.kind.reads.includes('steps')) return openSteps(from, recipe, models, watch)
  return from.kind === 'rollouts' ? openRollouts(from, recipe, models, watch) : openPreferences(from, recipe, models, watch)
}
