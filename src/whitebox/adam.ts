/** One step of Adam without decay on numbers in place; m and v are kept from step to step, the first of which is 1. */
export function adam(
  x: Float32Array | Float64Array | Int32Array,
  slope: ArrayLike<number>,
  { m, v }: { readonly m: Float64Array; readonly v: Float64Array },
  step: number,
  lr: number,
): void {
  for (let i = 0; i < x.length; i++) {
    const g = slope[i]!
    m[i] = 0.9 * m[i]! + 0.1 * g
    v[i] = 0.999 * v[i]! + 0.001 * g * g
    x[i]! -= (lr * (m[i]! / (1 - 0.9 ** step))) / (Math.sqrt(v[i]! / (1 - 0.999 ** step)) + 1e-8)
  }
}
