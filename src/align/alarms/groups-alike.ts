import { meanInterval } from '../../accept/index.ts'
import { type AlarmRule, percent, third } from './alarm.ts'

/**
 * Groups whose rewards are all alike have no advantage, so their completions teach nothing.
 *
 * source  Yu et al. 2025, arXiv:2503.14476, section 3.2
 */
export const groupsAlike: AlarmRule = {
  name: 'groups.alike',
  about: 'the share of groups whose rewards are all alike in the last third of the steps, more than a half',
  bound: 0.5,
  remedy: 'give a reward with finer steps, larger groups, or prompts that are neither solved nor out of reach',
  raise({ metrics }) {
    const shares = third(metrics, 'zeroVarianceGroups', 'last')
    if (!shares) return []
    const { estimate, low, high } = meanInterval('groups.alike', shares, 'share', [0, 1])
    if (low <= groupsAlike.bound) return []
    const why = `${percent(estimate)} [${percent(low)}, ${percent(high)}] of the groups in the last third of the steps had rewards that are all alike`
    return [{ value: estimate, low, high, why }]
  },
}
