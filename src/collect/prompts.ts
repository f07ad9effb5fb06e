import type { Checkpoint } from '../checkpoints/index.ts'
import { UserError } from '../graph/index.ts'
import { nearDuplicates } from '../preferences/index.ts'
import { random } from '../random/index.ts'
import type { InlinePrompt, OnPolicy, Recipe } from '../recipe/recipe.ts'
import { loadChatTemplate, type Message } from '../text/index.ts'
import { checkPrompt, inTokens, readPromptFile } from './prompt-file.ts'

/** A prompt as text and in tokens. */
export interface Prompt {
  readonly text: string
  readonly ids: readonly number[]
  /** The talk that it is, where it is one. */
  readonly messages?: readonly Message[]
}

/** Prompts dealt into three parts that share none and no near duplicates: to train on, to look at after each round, and to look at once. */
export interface PromptParts {
  /** How many were read, the same one twice counted twice. */
  readonly read: number
  /** Groups of near duplicates, each kept in one part, and how many prompts are in one. */
  readonly nearDuplicates: { readonly groups: number; readonly prompts: number }
  readonly train: readonly Prompt[]
  readonly development: readonly Prompt[]
  readonly sealed: readonly Prompt[]
}

/**
 * Reads a recipe's prompts and deals them by its seed. A prompt that stands there twice counts once; near duplicates are kept in one part.
 *
 * throws  UserError when there are too few for the looks, or one is longer than the context leaves room for
 */
export async function dealPrompts(
  { look, seed }: Recipe,
  { prompts }: Pick<OnPolicy, 'prompts'>,
  checkpoint: Checkpoint,
): Promise<PromptParts> {
  const where = typeof prompts === 'string' ? prompts : 'preferences.prompts'
  const all = typeof prompts === 'string' ? await readPromptFile(prompts, checkpoint) : await inlinePrompts(prompts, checkpoint)
  if (typeof prompts !== 'string')
    for (const [i, { ids }] of all.entries()) checkPrompt(`${where}, prompt ${i + 1}`, ids, checkpoint.config)
  const distinct = [...new Map(all.map((prompt) => [prompt.ids.join(' '), prompt])).values()]
  const needed = look.development + look.sealed + 8
  if (distinct.length < needed)
    throw new UserError(
      `${where}: ${look.sealed} sealed prompts, ${look.development} for development and at least 8 to train on are needed (${needed}), got ${distinct.length} distinct ones; add prompts, or ask for fewer under look`,
    )
  const groups = nearDuplicates(distinct.map(({ text }) => text)).map((places) => places.map((i) => distinct[i]!))
  const several = groups.filter(({ length }) => length > 1)
  const [sealed, others] = take(`${where}, look.sealed`, random(seed, 'prompts').shuffled(groups), look.sealed)
  const [development, train] = take(`${where}, look.development`, others, look.development)
  return {
    read: all.length,
    nearDuplicates: { groups: several.length, prompts: several.flat().length },
    sealed: sealed.flat(),
    development: development.flat(),
    train: train.flat(),
  }
}

/** Prompts that stand in the recipe itself: texts and talks. */
async function inlinePrompts(prompts: readonly InlinePrompt[], checkpoint: Checkpoint): Promise<Prompt[]> {
  const template = prompts.some((prompt) => typeof prompt !== 'string') ? await loadChatTemplate(checkpoint.folder) : undefined
  return prompts.map((prompt, i) =>
    inTokens(
      `preferences.prompts, prompt ${i + 1}`,
      typeof prompt === 'string' ? { text: prompt } : { messages: prompt },
      checkpoint,
      template,
    ),
  )
}

/** Whole groups with exactly so many prompts in all, the first ones where they come to that number; and the rest. */
function take(where: string, groups: readonly Prompt[][], count: number): [taken: Prompt[][], rest: Prompt[][]] {
  // For each number of prompts the last group of the first way to come to it.
  const last = new Int32Array(count + 1).fill(-1)
  for (let g = 0; g < groups.length && last[count]! < 0; g++) {
    const size = groups[g]!.length
    for (let n = count; n >= size; n--) if (last[n]! < 0 && (n === size || last[n - size]! >= 0)) last[n] = g
  }
  if (last[count]! < 0)
    throw new UserError(
      `${where}: near duplicates stay together in one part, so ${count} prompts can not be taken from ${groups.length} groups; ask for ${last.findLastIndex((g) => g >= 0)}, or add prompts that differ`,
    )
  const taken = new Set<number>()
  for (let n = count; n > 0; n -= groups[last[n]!]!.length) taken.add(last[n]!)
  return [groups.filter((_, g) => taken.has(g)), groups.filter((_, g) => !taken.has(g))]
}
