import type { Checkpoint } from '../checkpoints/index.ts'
import { UserError } from '../graph/index.ts'
import { random } from '../random/index.ts'
import type { OnPolicy, Recipe } from '../recipe/recipe.ts'
import { checkPrompt, readPromptFile } from './prompt-file.ts'

/** A prompt as text and in tokens. */
export interface Prompt {
  readonly text: string
  readonly ids: readonly number[]
}

/** Prompts dealt into three parts that share none: to train on, to look at after each round, and to look at once. */
export interface PromptParts {
  /** How many were read, the same one twice counted twice. */
  readonly read: number
  readonly train: readonly Prompt[]
  readonly development: readonly Prompt[]
  readonly sealed: readonly Prompt[]
}

/**
 * Reads a recipe's prompts and deals them by its seed.
 *
 * throws  UserError when there are too few for the looks, or one is longer than the context leaves room for
 */
export async function dealPrompts({ look, seed }: Recipe, { prompts }: OnPolicy, checkpoint: Checkpoint): Promise<PromptParts> {
  const where = typeof prompts === 'string' ? prompts : 'preferences.prompts'
  const all =
    typeof prompts === 'string'
      ? await readPromptFile(prompts, checkpoint)
      : prompts.map((text) => ({ text, ids: checkpoint.tokenizer.encode(text) }))
  if (typeof prompts !== 'string')
    for (const [i, { ids }] of all.entries()) checkPrompt(`${where}, prompt ${i + 1}`, ids, checkpoint.config)
  const distinct = [...new Map(all.map((prompt) => [prompt.ids.join(' '), prompt])).values()]
  const needed = look.development + look.sealed + 8
  if (distinct.length < needed)
    throw new UserError(
      `${where}: ${look.sealed} sealed prompts, ${look.development} for development and at least 8 to train on are needed (${needed}), got ${distinct.length} distinct ones; add prompts, or ask for fewer under look`,
    )
  const order = random(seed, 'prompts').shuffled(distinct)
  return {
    read: all.length,
    sealed: order.slice(0, look.sealed),
    development: order.slice(look.sealed, look.sealed + look.development),
    train: order.slice(look.sealed + look.development),
  }
}
