import { exp, logSumExp, sum, type Value } from '../graph/index.ts'

/**
 * KL(p ‖ q) of next-token distributions, both given by their scores.
 *
 * shape   f32[n, V], twice → f32[n]
 * units   nats
 */
export function kl(scores: Value, others: Value): Value {
  const [p, q] = [scores, others].map((x) => x.sub(logSumExp(x))) as [Value, Value]
  return sum(exp(p).mul(p.sub(q)), [-1])
}
