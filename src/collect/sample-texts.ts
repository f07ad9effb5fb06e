import type { Checkpoint } from '../checkpoints/index.ts'
import type { Sample } from '../goals/index.ts'
import type { Completion, Sampling } from '../models/index.ts'
import { type Policy, sampleCompletions, type Tree } from '../policy/index.ts'
import type { Prompt } from './prompts.ts'

/** A completion of a prompt in tokens and as text. */
export interface SampledText {
  readonly prompt: Prompt
  readonly completion: Completion
  /** As goals and judges see it. */
  readonly sample: Sample
}

/** Lets a policy complete prompts. One list per prompt. */
export async function sampleTexts(
  policy: Policy,
  { tokenizer, eosIds }: Checkpoint,
  prompts: readonly Prompt[],
  sampling: Omit<Sampling, 'eosIds'>,
): Promise<SampledText[][]> {
  const completions = await sampleCompletions(
    policy,
    prompts.map(({ ids }) => ids),
    { ...sampling, eosIds },
  )
  await policy.rest()
  return completions.map((group, i) =>
    group.map((completion): SampledText => ({ prompt: prompts[i]!, completion, sample: sampleOf(tokenizer, prompts[i]!, completion) })),
  )
}

/** What a completion says after its prompt: decoded together, since a tokenizer drops the space that a text starts with. */
export function sampleOf(tokenizer: Checkpoint['tokenizer'], prompt: Prompt, { ids, ended }: Pick<Completion, 'ids' | 'ended'>): Sample {
  const before = tokenizer.decode(prompt.ids)
  const text = tokenizer.decode([...prompt.ids, ...ids]).slice(before.length)
  const { messages } = prompt
  return { prompt: prompt.text, ...(messages ? { messages } : {}), text, tokens: ids.length, ended }
}

/** Completions of one prompt, as they are scored. */
export function treeOf(group: readonly SampledText[]): Tree {
  return { prompt: group[0]!.prompt.ids, completions: group.map(({ completion }) => completion.ids) }
}

export function logpOf({ completion }: SampledText): number {
  return completion.logps.reduce((a, b) => a + b, 0)
}
