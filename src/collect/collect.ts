import { z } from 'zod'
import { UserError } from '../graph/index.ts'
import type { OnPolicy } from '../recipe/recipe.ts'
import type { Message } from '../text/index.ts'
import { answerSchema } from './ask-judge.ts'
import type { Prompt } from './prompts.ts'
import type { SampledText } from './sample-texts.ts'

const sideSchema = z.object({ ids: z.array(z.int()), ended: z.boolean() })

/** Two completions of a prompt as a round keeps them when they are put before the judge. */
export const askedSchema = z.object({
  prompt: z.string(),
  messages: z.custom<readonly Message[]>(Array.isArray).optional(),
  promptIds: z.array(z.int()),
  a: sideSchema,
  b: sideSchema,
})
export type AskedRow = z.infer<typeof askedSchema>

/** The same with the judge's answer, and which of the round's rollouts it is of, counting from 1. */
export const votedSchema = askedSchema.extend({ ...answerSchema.shape, rollout: z.int().default(1) })
export type VotedRow = z.infer<typeof votedSchema>

/** The prompts of a round by its rollouts: the next ones in order, from the start again when all were used. */
export function promptsOf<T = Prompt>(round: number, all: readonly T[], asked: Asked): T[][] {
  let next = (round - 1) * Math.min(asked.promptsPerRound, all.length)
  return rolloutsOf(all.length, asked).map((count) => Array.from({ length: count }, () => all[next++ % all.length]!))
}

type Asked = Pick<OnPolicy, 'promptsPerRound' | 'rollout'>

/** How many prompts each rollout of a round has, of so many that there are. */
export function rolloutsOf(all: number, { promptsPerRound, rollout = promptsPerRound }: Asked): number[] {
  const count = Math.min(promptsPerRound, all)
  return Array.from({ length: Math.ceil(count / rollout) }, (_, i) => Math.min(rollout, count - i * rollout))
}

/**
 * Completions of each prompt, compared with one another; two that say the same tell nothing and are left out.
 *
 * throws  UserError when no pair is left
 */
export function pairUp(groups: readonly (readonly SampledText[])[], compare: OnPolicy['compare']): AskedRow[] {
  const all = groups.flatMap((group) => pairsOf(group.length, compare).map(([i, k]) => [group[i]!, group[k]!] as const))
  const different = all.filter(([a, b]) => a.sample.text !== b.sample.text)
  if (different.length === 0)
    throw new UserError(
      `preferences: completions of a prompt must differ to be compared, got ${all.length} pairs of the same text; raise temperature, maxTokens or perPrompt`,
    )
  return different.map(([a, b]) => ({ ...asRow(a.prompt), a: kept(a), b: kept(b) }))
}

/** How many pairs of each prompt are trained on at most. */
export function pairsTrained({ trainOn, perPrompt, compare }: OnPolicy): number {
  return trainOn === 'extremes' ? 1 : pairsOf(perPrompt, compare).length
}

/** Which of so many completions are compared: each with the next, in a ring, or each with every other. */
export function pairsOf(completions: number, compare: OnPolicy['compare']): [number, number][] {
  const places = Array.from({ length: completions }, (_, i) => i)
  if (compare === 'all') return places.flatMap((i) => places.slice(i + 1).map((k): [number, number] => [i, k]))
  return places.slice(0, completions > 2 ? completions : completions - 1).map((i) => [i, (i + 1) % completions])
}

function asRow({ text, ids, messages }: Prompt): Omit<AskedRow, 'a' | 'b'> {
  return { prompt: text, ...(messages ? { messages } : {}), promptIds: [...ids] }
}

/** The prompt of a row as a round keeps it. */
export function rowPrompt({ prompt, promptIds, messages }: Omit<AskedRow, 'a' | 'b'>): Prompt {
  return { text: prompt, ids: promptIds, ...(messages ? { messages } : {}) }
}

function kept({ completion: { ids, ended } }: SampledText): AskedRow['a'] {
  return { ids: [...ids], ended }
}
