import { sampleTexts } from '../collect/sample-texts.ts'
import { type Goal, type GoalScale, goalScale, readSamples } from '../goals/index.ts'
import { random, seedFor } from '../random/index.ts'
import { heeding, type Models, readBy } from './open-models.ts'

/** How many completions of the reference the scale of goals is taken from. */
const enough = 128

/** The scale of goals, from the reference's own completions of some of the prompts. */
export async function scaleOnReference(
  goals: readonly Goal[],
  prompts: readonly (readonly number[])[],
  models: Models,
  seed: number,
): Promise<GoalScale> {
  const { referencePolicy, checkpoint } = models
  const distinct = [...new Map(prompts.map((ids) => [ids.join(' '), ids])).values()].filter(
    (ids) => ids.length < checkpoint.config.contextLength,
  )
  const chosen = random(seed, 'standard').shuffled(distinct).slice(0, enough)
  const groups = await sampleTexts(
    referencePolicy,
    checkpoint,
    chosen.map((ids) => ({ ids, text: checkpoint.tokenizer.decode(ids) })),
    { seed: seedFor(seed, 'standard'), perPrompt: Math.ceil(enough / chosen.length), onCompletion: heeding(models) },
  )
  const samples = groups.flat().map(({ sample }) => sample)
  await readSamples(goals, samples, readBy(models), heeding(models))
  return goalScale(goals, samples)
}
