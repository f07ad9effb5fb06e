import { meanInterval } from '../../accept/index.ts'
import { type AlarmRule, interval, type Seen, third } from './alarm.ts'

/**
 * The chosen side falls while the margin grows: a policy that learns what not to say may lose what it should. Of held-out pairs where they are
 * measured, else of the pairs of the last third of the steps.
 *
 * source  Razin et al. 2024, arXiv:2410.08847, likelihood displacement; Pal et al. 2024, arXiv:2402.13228
 */
export const chosenFalling: AlarmRule = {
  name: 'chosen.falling',
  about: 'the log-ratio of the chosen side, nats per completion, which fell by more than a nat',
  bound: -1,
  remedy: 'hold it up: objective dpop or apoZero, or a mixture with sft; sigmoidNorm where length is what wins',
  raise(seen) {
    const found = logRatioOf(seen)
    if (!found || found.ratio.high >= chosenFalling.bound) return []
    const { estimate, low, high } = found.ratio
    const why = `${found.where} the log-probability of the chosen side moved by ${interval(found.ratio)} nats, so training made it less likely`
    return [{ value: estimate, low, high, why }]
  },
}

function logRatioOf({ displacement, metrics }: Seen) {
  if (displacement && displacement.cannotTell === undefined) {
    const { estimate, low, high } = displacement
    return { where: 'on held-out pairs', ratio: { estimate: -estimate, low: -high, high: -low } }
  }
  const values = third(metrics, 'chosenLogRatio', 'last')
  return values && { where: 'in the last third of the steps', ratio: meanInterval('chosenLogRatio', values, 'nats') }
}
