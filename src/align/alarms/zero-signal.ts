import { meanInterval } from '../../accept/index.ts'
import { type AlarmRule, fewestSteps, percent } from './alarm.ts'

/** A gradient this small against the middle one of the training is none. */
const none = 1e-6

/**
 * Steps without a gradient: ties, completions that are alike, rewards that do not differ within a group, a hinge that is won.
 *
 * source  Yu et al. 2025, arXiv:2503.14476 (DAPO, groups without variance)
 */
export const zeroSignal: AlarmRule = {
  name: 'signal.none',
  about: 'steps without a gradient, more than a tenth',
  bound: 0.1,
  remedy:
    'let more examples differ: more completions a prompt, harder prompts, a judge that tells them apart; trainOn extremes takes the widest pair',
  raise({ metrics = [] }) {
    const norms = metrics.map(({ gradNorm }) => gradNorm)
    if (norms.length < fewestSteps) return []
    const above = norms.filter((x) => x > 0).toSorted((a, b) => a - b)
    const middle = above[Math.floor(above.length / 2)] ?? 0
    const { estimate, low, high } = meanInterval('signal.none', norms.map((x) => (x <= none * middle ? 1 : 0)), 'share', [0, 1]) // biome-ignore format: one line
    if (low <= zeroSignal.bound) return []
    const why = `${percent(estimate)} [${percent(low)}, ${percent(high)}] of the steps had no gradient, so their examples taught nothing`
    return [{ value: estimate, low, high, why }]
  },
}
