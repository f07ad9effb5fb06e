import { speak } from '../collect/sample-texts.ts'
import { type Goal, type Standard, standardise } from '../goals/index.ts'
import { shuffled } from '../preferences/index.ts'
import { type Setting, seedFor } from './open-models.ts'

/** How many completions of the reference the scale of goals is taken from. */
const enough = 128

/** The scale of goals, from the reference's own completions of some of the prompts. */
export async function standardOf(
  goals: readonly Goal[],
  prompts: readonly (readonly number[])[],
  { referencePolicy, checkpoint }: Setting,
  seed: number,
): Promise<Standard> {
  const distinct = [...new Map(prompts.map((ids) => [ids.join(' '), ids])).values()].filter(
    (ids) => ids.length < checkpoint.config.contextLength,
  )
  const chosen = shuffled(distinct, `standard/${seed}`).slice(0, enough)
  const groups = await speak(
    referencePolicy,
    checkpoint,
    chosen.map((ids) => ({ ids, text: checkpoint.tokenizer.decode(ids) })),
    { seed: seedFor(seed, 'standard'), perPrompt: Math.ceil(enough / chosen.length) },
  )
  return standardise(
    goals,
    groups.flat().map(({ sample }) => sample),
  )
}
