import { mergeMethod } from './method.ts'
import { between } from './sphere.ts'

/** Between the base and the mean of the others, as near to the mean as the angle between task vectors says. */
export const modelStock = mergeMethod({
  name: 'model_stock',
  about: 't · mean + (1 − t) · base, t = k·cos θ / (1 + (k − 1)·cos θ)',
  source: 'Jang et al. 2024, arXiv:2403.19522, equation 7',
  base: 'needed',
  models: { least: 3 },
  parameters: { filter_wise: { of: 'merge', kind: 'switch', default: false, about: 'an angle for every row, not one for the tensor' } },

  merge({ base, others, shape }, { filter_wise: byRow }) {
    const from = base!
    const width = byRow && shape.length > 1 ? shape.at(-1)! : from.length
    const count = others.length
    for (let start = 0; start < from.length; start += width) {
      const cos = meanCosine(from, others, start, start + width)
      const below = 1 + (count - 1) * cos
      const t = Math.abs(below) < 1e-6 ? 0 : (count * cos) / below
      for (let i = start; i < start + width; i++) {
        let sum = 0
        for (const x of others) sum += x[i]!
        from[i] = (t * sum) / count + (1 - t) * from[i]!
      }
    }
    return from
  },
})

/** The mean of the cosines of all pairs of differences. */
function meanCosine(base: Float32Array, others: readonly Float32Array[], start: number, end: number): number {
  const product = (a: Float32Array, b: Float32Array) => {
    let sum = 0
    for (let i = start; i < end; i++) sum += (a[i]! - base[i]!) * (b[i]! - base[i]!)
    return sum
  }
  const lengths = others.map((x) => Math.sqrt(product(x, x)))
  let sum = 0
  let pairs = 0
  for (let a = 0; a < others.length; a++)
    for (let b = a + 1; b < others.length; b++, pairs++)
      sum += between(-1, 1, product(others[a]!, others[b]!) / Math.max(1e-6, lengths[a]! * lengths[b]!))
  return sum / pairs
}
