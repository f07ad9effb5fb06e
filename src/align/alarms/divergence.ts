import { mean, sampleVariance } from 'simple-statistics'
import { studentQuantile } from '../../goals/special-functions.ts'
import { type AlarmRule, interval, third } from './alarm.ts'

/**
 * The loss of the last third of the steps above that of the first by more than a tenth. The interval is Welch's, with the degrees of freedom of
 * the smaller part.
 *
 * source  Welch 1947, The generalization of Student's problem when several different population variances are involved
 */
export const divergence: AlarmRule = {
  name: 'training.diverges',
  about: 'the loss of the last third of the steps over that of the first, more than a tenth above',
  bound: 0.1,
  remedy: 'lower train.optimizer.lr, give the schedule a warmup, clip the gradient more, or raise beta',
  raise({ metrics }) {
    const [first, last] = [third(metrics, 'loss', 'first'), third(metrics, 'loss', 'last')]
    if (!first || !last) return []
    const scale = Math.abs(mean([...first]))
    if (scale === 0) return []
    const spread = Math.sqrt((sampleVariance([...first]) + sampleVariance([...last])) / first.length)
    const reach = studentQuantile(0.975, first.length - 1) * spread
    const rise = mean([...last]) - mean([...first])
    const [estimate, low, high] = [rise, rise - reach, rise + reach].map((x) => x / scale) as [number, number, number]
    if (low <= divergence.bound) return []
    const why = `the loss rose by ${interval({ estimate, low, high })} of what it was in the first third of the steps`
    return [{ value: estimate, low, high, why }]
  },
}
