import { loadRecipe } from '../load-recipe.ts'
import type { Changes } from '../recipe/changed.ts'
import type { Recipe } from '../recipe/index.ts'
import { integer, text, texts } from './command.ts'

/** What a command line may say otherwise than the recipe. */
export const changeFlags = {
  run: text('run folder; the recipe’s, or a new one under runs/', { shown: 'FOLDER' }),
  model: text('model instead of the recipe’s', { shown: 'M' }),
  rounds: integer('rounds instead of the recipe’s', { min: 1 }),
  seed: integer('seed instead of the recipe’s', { min: 0 }),
  set: texts('any field instead of the recipe’s, such as train.optimizer.lr=1e-4', { shown: 'PATH=VALUE' }),
}

/** A recipe with what the command line says otherwise, checked as any recipe, and the command line that does the same again. */
export async function recipeFor(verb: string, path: string, changes: Changes): Promise<{ recipe: Recipe; command: string }> {
  return { recipe: await loadRecipe(path, changes), command: ['innate', verb, path, ...changeWords(changes)].join(' ') }
}

/** Changes as the words of a command line, with quotes where a shell needs them. */
export function changeWords({ run, model, rounds, seed, set = [] }: Changes): string[] {
  const flags = Object.entries({ run, model, rounds, seed }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)],
  )
  return [...flags, ...set.flatMap((change) => ['--set', change])].map(quoted)
}

function quoted(word: string): string {
  return /^[\w./:=@+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
