import { loadRecipe } from '../load-recipe.ts'
import type { Recipe } from '../recipe/index.ts'

/** A recipe with what the command line says otherwise, and the command line that does the same again. */
export async function recipeFor(
  verb: string,
  path: string,
  { run, seed }: { run: string | undefined; seed: number | undefined },
): Promise<{ recipe: Recipe; command: string }> {
  const recipe = await loadRecipe(path)
  const words = ['innate', verb, path, ...(run ? ['--run', run] : []), ...(seed === undefined ? [] : ['--seed', String(seed)])]
  return {
    recipe: { ...recipe, ...(run ? { run } : {}), ...(seed === undefined ? {} : { seed, train: { ...recipe.train, seed } }) },
    command: words.join(' '),
  }
}
