import { mean } from 'simple-statistics'
import { meanInterval } from '../../accept/index.ts'
import { type AlarmRule, interval, third } from './alarm.ts'

/**
 * The entropy of the last third of the steps over that of the first: a policy that has one thing to say explores no more.
 *
 * source  Cui et al. 2025, arXiv:2505.22617
 */
export const entropyCollapse: AlarmRule = {
  name: 'entropy.collapse',
  about: 'the entropy at the policy’s tokens in the last third of the steps over that of the first, less than a half',
  bound: 0.5,
  remedy: 'raise beta, lower train.optimizer.lr, or give the ratio more room above (epsilonHigh)',
  raise({ metrics }) {
    const [first, last] = [third(metrics, 'entropy', 'first'), third(metrics, 'entropy', 'last')]
    if (!first || !last || !(mean([...first]) > 0)) return []
    const before = mean([...first])
    const ratio = meanInterval('entropy.collapse', last.map((entropy) => entropy / before), 'ratio') // biome-ignore format: one line
    if (ratio.high >= entropyCollapse.bound) return []
    const { estimate, low, high } = ratio
    return [
      { value: estimate, low, high, why: `the policy’s entropy fell to ${interval(ratio)} of what it was in the first third of the steps` },
    ]
  },
}
