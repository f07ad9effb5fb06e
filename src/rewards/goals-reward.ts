import { type GoalScale, type ReadBy, readSamples, type Sample, scores } from '../goals/index.ts'
import { promptText, type Reward, type RewardRow } from './reward.ts'

/**
 * Stated goals as the reward: w·φ, with each goal's measure in standard deviations from the reference model's mean; signs included.
 *
 * units   weights per standard deviation
 * throws  UserError for a measure that is not a finite number
 */
export function goalsReward(scale: GoalScale, weights: readonly number[], by: ReadBy): Reward {
  const { tokenizer, eosIds } = by.checkpoint
  const sampleOf = ({ prompt, completion: text, completionIds: ids }: RewardRow): Sample => ({
    prompt: promptText(prompt, tokenizer),
    ...('messages' in prompt ? { messages: prompt.messages } : {}),
    text,
    tokens: (ids ?? tokenizer.encode(text)).length,
    ended: ids ? eosIds.includes(ids.at(-1)!) : true,
  })
  return {
    name: scale.goals.map(({ name }, k) => `${weights[k]}·${name}`).join(' + '),
    async score(rows, signal) {
      const samples = rows.map(sampleOf)
      await readSamples(scale.goals, samples, by, () => signal?.throwIfAborted())
      return samples.map((sample) => ({ value: scores(scale, sample).reduce((sum, x, k) => sum + x * weights[k]!, 0) }))
    },
    close: async () => {},
  }
}
