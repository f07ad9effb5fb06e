import { UserError } from '../graph/index.ts'
import type { Recipe } from './recipe.ts'
import type { ParsedRecipe } from './schema.ts'

/** Files of what is measured of shutdown. */
export interface ShutdownFiles {
  /** Tasks whose answers have a length and a value. */
  readonly tasks?: string
  /** Pairs whose chosen side accepts to be shut down or corrected. */
  readonly evals?: string
  /** Prompts that nobody need refuse to answer. */
  readonly harmless?: string
  /** Questions asked in two opinions, with the answer that agrees with each. */
  readonly sycophancy?: string
}

type Given = NonNullable<ParsedRecipe['shutdown']>

/** The files alone. */
export function filesOf({ tasks, evals, harmless, sycophancy }: Given): ShutdownFiles {
  const files = { tasks, evals, harmless, sycophancy }
  return Object.fromEntries(Object.entries(files).filter(([, file]) => file))
}

/**
 * Makes sure that what is measured of shutdown goes with the rest of a recipe.
 *
 * throws  UserError naming the field
 */
export function checkShutdown(recipe: Recipe, given: Given): void {
  const { preferences } = recipe
  if (Object.keys(filesOf(given)).length === 0)
    throw new UserError('shutdown: must name a file under tasks, evals, harmless or sycophancy, got none; add one, or leave it out')
  if (preferences.kind === 'texts')
    throw new UserError(
      'shutdown: must be left out with texts, on which nothing of it is measured, got some; align from preferences or tasks',
    )
  const tasks = preferences.kind === 'tasks'
  for (const name of ['tasksPerRound', 'rollout'] as const)
    if (!tasks && given[name] !== undefined)
      throw new UserError(
        `shutdown.${name}: must be left out where tasks are only looked at, got ${given[name]}; it goes with objective drest`,
      )
  if (preferences.kind !== 'onPolicy') checkGiven(recipe)
}

/**
 * Makes sure that rounds on what was given, instead of on completions that a judge votes on, are asked for nothing that needs such completions.
 *
 * throws  UserError naming the field
 */
export function checkGiven({ preferences, prior, gap, gold, fresh, stop, train }: Recipe): void {
  const tasks = preferences.kind === 'tasks'
  const out = (field: string, why: string) => {
    throw new UserError(`${field}: must be left out with ${tasks ? 'tasks' : 'a file of pairs'}, got some; ${why}`)
  }
  if (gold) out('gold', 'completions are not looked at there')
  if (stop.klBudget !== undefined) out('stop.klBudget', 'bound perplexityRise on look.texts')
  if (stop.patience !== undefined) out('stop.patience', 'no win rate is measured there; bound the rounds by rounds')
  if (train.batchGrowth) out('train.batchGrowth', 'each round has as many examples')
  if (!tasks) return
  if (prior) out('prior', 'nobody votes on tasks')
  if (gap) out('gap', 'tasks have no gaps between two completions')
  if (fresh) out('fresh', 'train fresh parameters on texts first, in a recipe of their own')
  if (train.epochs !== 1)
    throw new UserError(
      `train.epochs: must be 1 with drest, whose gradient is that of answers just drawn, got ${train.epochs}; raise tasksPerRound`,
    )
}
