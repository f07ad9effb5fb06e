import { type AlarmRule, interval } from './alarm.ts'

/**
 * A reward that no longer knows what it scores: the policy says what its training pairs hardly had.
 *
 * source  Coste et al. 2023, arXiv:2310.02743; Eisenstein et al. 2023, arXiv:2312.09244
 */
export const rewardDoubt: AlarmRule = {
  name: 'reward.doubt',
  about: 'the reward’s doubt of what the policy says over that of what the original says, more than twice as large',
  bound: 2,
  remedy: 'have what it says now judged, and train the reward model on that too; or bound it with stop.disagreement',
  raise({ doubt }) {
    if (!doubt || doubt.low <= rewardDoubt.bound) return []
    const { estimate, low, high } = doubt
    return [{ value: estimate, low, high, why: `the reward is ${interval(doubt)} times as unsure of what the policy says now` }]
  },
}
