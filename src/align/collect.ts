import { z } from 'zod'
import { UserError } from '../graph/index.ts'
import type { Prompt } from './prompts.ts'
import type { OnPolicy } from './recipe.ts'
import type { Spoken } from './speak.ts'

const sideSchema = z.object({ ids: z.array(z.int()), ended: z.boolean() })

/** Two completions of a prompt as a round keeps them when they are put before the judge. */
export const askedSchema = z.object({ prompt: z.string(), promptIds: z.array(z.int()), a: sideSchema, b: sideSchema })
export type AskedRow = z.infer<typeof askedSchema>

/** The same with the judge's votes. */
export const votedSchema = askedSchema.extend({ votes: z.tuple([z.number(), z.number()]).readonly() })
export type VotedRow = z.infer<typeof votedSchema>

/** The prompts of a round: the next ones in order, from the start again when all were used. */
export function promptsOf(round: number, all: readonly Prompt[], { promptsPerRound }: OnPolicy): Prompt[] {
  const count = Math.min(promptsPerRound, all.length)
  return Array.from({ length: count }, (_, i) => all[((round - 1) * count + i) % all.length]!)
}

/**
 * Completions of each prompt two by two; two that say the same tell nothing and are left out.
 *
 * throws  UserError when no pair is left
 */
export function pairUp(groups: readonly (readonly Spoken[])[]): AskedRow[] {
  const all = groups.flatMap((group) => Array.from({ length: Math.floor(group.length / 2) }, (_, k) => [group[2 * k]!, group[2 * k + 1]!]))
  const different = all.filter(([a, b]) => a!.sample.text !== b!.sample.text)
  if (different.length === 0)
    throw new UserError(
      `preferences: completions of a prompt must differ to be compared, got ${all.length} pairs of the same text; raise temperature, maxTokens or perPrompt`,
    )
  return different.map(([a, b]) => ({ prompt: a!.prompt.text, promptIds: [...a!.prompt.ids], a: kept(a!), b: kept(b!) }))
}

function kept({ completion: { ids, ended } }: Spoken): AskedRow['a'] {
  return { ids: [...ids], ended }
}
