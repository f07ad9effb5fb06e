import { type AlarmRule, interval } from './alarm.ts'

/**
 * A reward that follows the length of a completion, beyond what gold has of length where there is a gold measure.
 *
 * source  Singhal et al. 2023, arXiv:2310.03716
 */
export const rewardLength: AlarmRule = {
  name: 'reward.length',
  about: 'the correlation of the reward with the number of tokens, less what gold has of it: over a half',
  bound: 0.5,
  remedy: 'train the reward model on pairs of like length, or have such pairs judged; bound lengthRatio',
  raise({ length }) {
    if (!length || (length.low <= rewardLength.bound && length.high >= -rewardLength.bound)) return []
    const { estimate, low, high } = length
    const bound = Math.sign(estimate) * rewardLength.bound
    const why = `the reward goes with the ${estimate > 0 ? 'length' : 'shortness'} of completions by ${interval(length)}, so that ${estimate > 0 ? 'longer' : 'shorter'} ones win whatever they say`
    return [{ value: estimate, low, high, bound, why }]
  },
}
