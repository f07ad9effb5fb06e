import { type Tensor, UserError } from '../graph/index.ts'
import { over } from './over.ts'
import type { Policy } from './policy.ts'
import { reader } from './reader.ts'

/**
 * How far a value inside moved between two models, for each text: the mean over its tokens of ‖b − a‖ / ‖a‖.
 *
 * shape   texts of ids → by tap one number a text
 * units   share of the value's own length
 * throws  UserError when the models differ in width
 * limits  holds what both models have at all taps: tokens · widths numbers, twice
 */
export async function driftOf(
  a: Policy,
  b: Policy,
  texts: readonly (readonly number[])[],
  taps: readonly string[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<Record<string, number[]>> {
  const trees = texts.map((ids) => ({ prompt: ids, completions: [] }))
  const see = reader(taps)
  const [first, second] = [await over(a, trees, see, { ...options, per: 'token' }), await over(b, trees, see, { ...options, per: 'token' })]
  return Object.fromEntries(taps.map((tap) => [tap, moved(tap, first[tap]!, second[tap]!, texts)] as const))
}

function moved(tap: string, a: Tensor, b: Tensor, texts: readonly (readonly number[])[]): number[] {
  if (a.data.length !== b.data.length)
    throw new UserError(
      `drift at ${tap}: both models must be as wide, got ${a.shape.slice(1)} and ${b.shape.slice(1)}; compare like with like`,
    )
  const width = a.data.length / a.shape[0]!
  let token = 0
  return texts.map(({ length }) => {
    let sum = 0
    for (let t = 0; t < length; t++, token++) {
      let [apart, size] = [0, 0]
      for (let k = token * width; k < (token + 1) * width; k++) {
        apart += (b.data[k]! - a.data[k]!) ** 2
        size += a.data[k]! ** 2
      }
      sum += Math.sqrt(apart / (size || 1))
    }
    return sum / length
  })
}
