import { type AlarmRule, percent } from './alarm.ts'

/**
 * The reward and gold apart: by so much more often than gold a judge may be pleased, before it is worth knowing.
 *
 * source  Gao et al. 2022, arXiv:2210.10760
 */
export const judgeGap: AlarmRule = {
  name: 'judge.gap',
  about: 'how much more often the judge finds the model better than gold does, more than a tenth',
  bound: 0.1,
  remedy: 'read what the judge rewards; train less against it, or take a judge that looks at what gold does',
  raise({ gap }) {
    if (!gap || gap.low <= judgeGap.bound) return []
    const { estimate, low, high } = gap
    const why = `the judge finds the trained model better ${percent(estimate)} [${percent(low)}, ${percent(high)}] more often than the gold measure does, so it is pleased by what gold does not see`
    return [{ value: estimate, low, high, why }]
  },
}
