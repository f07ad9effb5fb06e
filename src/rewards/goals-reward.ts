import { type GoalScale, type ReadBy, readSamples, scores } from '../goals/index.ts'
import type { Reward } from './reward.ts'
import { rowSample } from './row-sample.ts'

/**
 * Stated goals as the reward: w·φ, with each goal's measure in standard deviations from the reference model's mean; signs included.
 *
 * units   weights per standard deviation
 * throws  UserError for a measure that is not a finite number
 */
export function goalsReward(scale: GoalScale, weights: readonly number[], by: ReadBy): Reward {
  return {
    name: scale.goals.map(({ name }, k) => `${weights[k]}·${name}`).join(' + '),
    async score(rows, signal) {
      const samples = rows.map((row) => rowSample(row, by))
      await readSamples(scale.goals, samples, by, () => signal?.throwIfAborted())
      return samples.map((sample) => ({ value: scores(scale, sample).reduce((sum, x, k) => sum + x * weights[k]!, 0) }))
    },
    close: async () => {},
  }
}
