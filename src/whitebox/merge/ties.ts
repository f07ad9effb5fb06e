import { addDeltas, deltaParameters, keepOnly } from './deltas.ts'
import { mergeMethod } from './method.ts'
import { entryAt, sizes } from './order.ts'

/** Trims each task vector to its largest entries, elects a sign for each entry, and averages those that have it. */
export const ties = mergeMethod({
  name: 'ties',
  about: 'base + λ · mean of the largest δ that have the elected sign',
  source: 'Yadav et al. 2023, arXiv:2306.01708, algorithm 1; V-TIES-1',
  base: 'needed',
  models: { least: 1 },
  parameters: deltaParameters({ normalize: true, rescale: false }),

  merge(given, values) {
    if (given.others.length === 0) return given.base!
    const scales = given.others.map((x, m) => keepLargest(x, given.base!, values.density[m]!, values.rescale))
    return addDeltas(given, values, true, scales)
  },
})

/** Keeps the share of entries that differ most, one at least; of equal ones those that come first. */
function keepLargest(x: Float32Array, base: Float32Array, density: number, rescale: boolean): number {
  if (density >= 1) return 1
  if (density <= 0) return keepOnly(x, base, false, () => false)
  const n = x.length
  const kept = Math.max(1, Math.trunc(density * n))
  const size = sizes(x, base)
  const { value, smaller } = entryAt(size, n - kept)
  let equal = 0
  for (let i = 0; i < n; i++) if (size[i]! === value) equal++
  let room = kept - (n - smaller - equal)
  return keepOnly(x, base, rescale, (i) => size[i]! > value || (size[i]! === value && room-- > 0))
}
