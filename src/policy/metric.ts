import { gradient, reshape, slice, sum, table, takeRows, tensor, type Value } from '../graph/index.ts'
import type { DecoderConfig } from '../models/config.ts'
import { logits } from '../models/head.ts'
import type { See } from './over.ts'

/** A number that is made of a model's scores for every next token of a text: logits f32[tokens, V] → f32[]. */
export type Metric = (logits: Value) => Value

/** The logit of one token less that of another, at the last position. */
export function logitDifference(answer: number, wrong: number): Metric {
  const key = `${answer} ${wrong}`
  const difference: Metric = (scores) => {
    const [T, V] = scores.shape as [number, number]
    const last = reshape(slice(scores, 0, T - 1, T), [V])
    return sum(takeRows(last, table(tensor(Int32Array.of(answer), [1]))).sub(takeRows(last, table(tensor(Int32Array.of(wrong), [1])))))
  }
  const known = differences.get(key) ?? difference
  differences.set(key, known)
  return known
}
const differences = new Map<string, Metric>()

/** The gradient of a metric with respect to taps, the same function for the same metric and taps, since programs are kept by it. */
export function gradientSee(config: DecoderConfig, metric: Metric, taps: readonly string[]): See {
  const known = sees.get(metric) ?? new Map<string, See>()
  sees.set(metric, known)
  const key = `${config.logitCap} ${taps}`
  const slopes: See = ({ tap, params }) => {
    const scores = logits(params, tap('final'), config)
    return gradient(metric(reshape(scores, scores.shape.slice(1))), Object.fromEntries(taps.map((name) => [name, tap(name)])))
  }
  const see = known.get(key) ?? slopes
  known.set(key, see)
  return see
}
const sees = new WeakMap<Metric, Map<string, See>>()
