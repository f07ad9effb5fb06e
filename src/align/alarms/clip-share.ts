import { meanInterval } from '../../accept/index.ts'
import { type AlarmRule, percent, third } from './alarm.ts'

/**
 * Ratios that are clipped have no slope: where many are, the policy is too far from the one that sampled.
 *
 * source  Schulman et al. 2017, arXiv:1707.06347, equation 7
 */
export const clipShare: AlarmRule = {
  name: 'ratio.clipped',
  about: 'the share of ratios that are clipped in the last third of the steps, more than three tenths',
  bound: 0.3,
  remedy: 'take fewer steps on a rollout (preferences.rollout, train.epochs), or lower train.optimizer.lr',
  raise({ metrics }) {
    const shares = third(metrics, 'clipShare', 'last')
    if (!shares) return []
    const { estimate, low, high } = meanInterval('ratio.clipped', shares, 'share', [0, 1])
    if (low <= clipShare.bound) return []
    const why = `${percent(estimate)} [${percent(low)}, ${percent(high)}] of the ratios in the last third of the steps were clipped, so that they had no slope`
    return [{ value: estimate, low, high, why }]
  },
}
