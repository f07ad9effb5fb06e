import { type AlarmRule, percent } from './alarm.ts'

/** Above this share of completions that ran into their limit, KL and length say more of the limit than of the model. */
export const completionsCut: AlarmRule = {
  name: 'completions.cut',
  about: 'the share of completions that ran into the limit of their length, more than a fifth',
  bound: 0.2,
  remedy: 'raise preferences.maxTokens, or compare only runs with the same limit',
  raise({ cut }) {
    if (!cut || cut.low <= completionsCut.bound) return []
    const { estimate, low, high } = cut
    const why = `${percent(estimate)} [${percent(low)}, ${percent(high)}] of the completions were cut off at the limit of their length, on which KL and length then depend`
    return [{ value: estimate, low, high, why }]
  },
}
