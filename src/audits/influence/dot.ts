import type { ByParameter } from '../../curvature/index.ts'

/** Σ a · b over all parameters, in f64. */
export function dotOf(a: ByParameter, b: ByParameter): number {
  let total = 0
  for (const [name, { data }] of Object.entries(a)) {
    const other = b[name]!.data
    for (let i = 0; i < data.length; i++) total += data[i]! * other[i]!
  }
  return total
}
