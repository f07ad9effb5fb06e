import type { Parameters } from './step-loss.ts'

/**
 * E[L · ∂ log p(D)]: the part of the gradient of an expected loss by which a policy that draws its own data D is moved to draw other data.
 * The mean loss of the other draws is taken off first, which changes nothing on average.
 *
 * shape   a loss, and the gradient of log p, of each draw
 * source  Williams 1992, Machine Learning 8:229; the baseline Kool et al. 2019
 */
export function scoreTerm(
  draws: readonly { readonly loss: number; readonly score: Parameters }[],
  baseline = true,
): Record<string, Float64Array> {
  const total = draws.reduce((sum, { loss }) => sum + loss, 0)
  const term: Record<string, Float64Array> = {}
  for (const { loss, score } of draws) {
    const others = baseline && draws.length > 1 ? (total - loss) / (draws.length - 1) : 0
    for (const [name, { data }] of Object.entries(score)) {
      const sum = (term[name] ??= new Float64Array(data.length))
      for (let i = 0; i < data.length; i++) sum[i]! += ((loss - others) * data[i]!) / draws.length
    }
  }
  return term
}
