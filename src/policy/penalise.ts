/** What is done to logits before they become probabilities. */
export interface Penalty {
  /** 0 leaves the temperature at 1, for the likeliest token is the same. */
  readonly temperature: number
  /** Above 1 makes tokens that were there before less likely, below 1 more. */
  readonly repetitionPenalty: number
  /** Every token that may come next; all of them when left out. */
  readonly allowed?: (id: number) => boolean
}

/**
 * Probabilities of logits after the repetition penalty, the allowed tokens and the temperature, in this order. The penalty divides the
 * logit of a token that was `seen` when it is positive and multiplies it when it is negative; how often it was seen does not matter.
 *
 * shape   logits [V] → [V]; its sum is 1
 * source  Keskar et al. 2019, arXiv:1909.05858, section 4.1, with the rule for negative logits that transformers has
 */
export function penalise(logits: Float32Array, seen: Iterable<number>, { temperature, repetitionPenalty, allowed }: Penalty): Float32Array {
  const scores = Float64Array.from(logits)
  for (const id of new Set(seen)) scores[id] = logits[id]! < 0 ? logits[id]! * repetitionPenalty : logits[id]! / repetitionPenalty
  if (allowed) for (let id = 0; id < scores.length; id++) if (!allowed(id)) scores[id] = Number.NEGATIVE_INFINITY
  const most = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  let whole = 0
  for (let id = 0; id < scores.length; id++) whole += scores[id] = Math.exp((scores[id]! - most) / (temperature || 1))
  return Float32Array.from(scores, (x) => x / whole)
}
