import { runaway } from '../../accept/index.ts'
import type { AlarmRule } from './alarm.ts'

/**
 * The reward went on rising in this round while gold fell from where it was highest: over-optimisation begins.
 *
 * source  Gao, Schulman and Hilton 2022, arXiv:2210.10760
 */
export const rewardRunaway: AlarmRule = {
  name: 'reward.runaway',
  about: 'gold at the last look less its highest, where the reward has risen since',
  bound: 0,
  remedy: 'stop earlier, raise beta, or let the reward learn from votes on what the policy says now; stop.runaway ends a run by it',
  raise({ rewarded = [] }) {
    const found = runaway(rewarded, 1)
    if (!found) return []
    const [best, last] = [rewarded[found.best]!.gold, rewarded[found.fired]!.gold]
    const fell = last.estimate - best.estimate
    const half = Math.hypot(best.estimate - best.low, last.high - last.estimate)
    return [{ value: fell, low: fell - half, high: fell + half, why: `since round ${rewarded[found.best]!.round} ${found.why}` }]
  },
}
