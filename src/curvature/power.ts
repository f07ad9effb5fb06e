import { type Operator, shifted } from './operator.ts'
import { addScaled, dot, norm, randomDirection, scaled, type Vector } from './vector.ts'

/** An eigenvalue as it was found, with its vector of length 1. */
export interface Eigenpair {
  readonly value: number
  readonly vector: Vector
  /** ‖A·v − λ·v‖: an eigenvalue lies no further from the value than this. */
  readonly residual: number
  /** Products taken. */
  readonly products: number
}

export interface PowerOptions {
  readonly seed?: number
  /** Stops when the residual is below this share of |λ|. Default 1e-6. */
  readonly tolerance?: number
  /** The most products. Default 300. */
  readonly most?: number
}

/**
 * The eigenvalue of the largest magnitude, by power iteration.
 *
 * limits  slow where the next one is nearly as large; the residual says how far it came
 * source  von Mises and Pollaczek-Geiringer 1929, ZAMM 9:58
 */
export async function power(of: Operator, { seed = 0, tolerance = 1e-6, most = 300 }: PowerOptions = {}): Promise<Eigenpair> {
  let vector = randomDirection(of.size, seed, 'power')
  for (let products = 1; ; products++) {
    const product = await of.apply(vector)
    const value = dot(vector, product)
    const residual = norm(addScaled(product.slice(), -value, vector))
    const length = norm(product)
    if (residual <= tolerance * Math.abs(value) || products >= most || length === 0) return { value, vector, residual, products }
    vector = scaled(1 / length, product)
  }
}

/**
 * The largest and the smallest eigenvalue with their signs: the dominant one, then that of A shifted by it.
 *
 * source  V-HVP-1's remark: shift by −μ·I
 */
export async function extremes(
  of: Operator,
  options: PowerOptions = {},
): Promise<{ readonly largest: Eigenpair; readonly smallest: Eigenpair }> {
  const dominant = await power(of, options)
  const far = await power(shifted(of, -dominant.value), options)
  const other = { ...far, value: far.value + dominant.value }
  return dominant.value >= other.value ? { largest: dominant, smallest: other } : { largest: other, smallest: dominant }
}
