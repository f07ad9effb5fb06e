import type { Operator } from './operator.ts'
import { randomSigns, type Vector } from './vector.ts'

/**
 * The diagonal of A as the mean of v∘A·v over vectors of signs; the variance of entry i is Σ_{k≠i} A_ik² over their number.
 *
 * source  Bekas, Kokiopoulou and Saad 2007, Applied Numerical Mathematics 57:1214
 */
export async function diagonal(
  of: Operator,
  { products = 30, seed = 0 }: { readonly products?: number; readonly seed?: number } = {},
): Promise<Vector> {
  const sum = new Float64Array(of.size)
  for (let i = 0; i < products; i++) {
    const v = randomSigns(of.size, seed, `diagonal ${i}`)
    const product = await of.apply(v)
    for (let k = 0; k < sum.length; k++) sum[k]! += (v[k]! * product[k]!) / products
  }
  return sum
}
