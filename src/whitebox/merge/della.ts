import { UserError } from '../../graph/errors.ts'
import type { Shape } from '../../graph/tensor.ts'
import { addDeltas, deltaParameters, keepOnly } from './deltas.ts'
import { mergeMethod } from './method.ts'
import { sizes } from './order.ts'

const shared = {
  epsilon: { of: 'other', kind: 'number', default: 0.15, about: 'how much likelier the largest entry of a row is kept, and less likely the smallest' },
} as const // biome-ignore format: one line

/** As DARE TIES, but within each row larger entries are likelier to be kept. */
export const della = dellaMethod('della', 'as dare_ties, where larger entries of a row are likelier to be kept', true)

/** As DARE, but within each row larger entries are likelier to be kept. */
export const dellaLinear = dellaMethod('della_linear', 'as dare_linear, where larger entries of a row are likelier to be kept', false)

function dellaMethod(name: string, about: string, elect: boolean) {
  return mergeMethod({
    ...{ name, about, source: 'Deep et al. 2024, arXiv:2406.11617, section 3; scaled by Σ|δ| as in mergekit 0.1.5; V-DELLA-1' },
    ...{ base: 'needed', models: { least: 1 }, parameters: { ...deltaParameters({ normalize: elect, rescale: true }), ...shared } },

    merge(given, values) {
      if (given.others.length === 0) return given.base!
      const scales = given.others.map((x, m) => {
        const [density, epsilon] = [values.density[m]!, values.epsilon[m]!]
        if (density >= 1) return 1
        if (density <= 0) return keepOnly(x, given.base!, false, () => false)
        if (density + epsilon >= 1 || density - epsilon <= 0)
          throw new UserError(
            `${given.name}: density + epsilon must be below 1 and density − epsilon above 0, got density ${density} and epsilon ${epsilon}; make epsilon smaller`,
          )
        const mask = given.draw(m, chancesToKeep(sizes(x, given.base!), given.shape, density, epsilon))
        return keepOnly(x, given.base!, values.rescale, (i) => mask[i]! === 1)
      })
      return addDeltas(given, values, elect, scales)
    },
  })
}

/** How likely each entry is kept: from density − ε for the smallest of its row to density + ε for the largest, even steps between. */
export function chancesToKeep(size: Uint32Array, shape: Shape, density: number, epsilon: number): Float32Array {
  const width = shape.length < 2 ? size.length : size.length / shape[0]!
  // A row of one is the smallest and the largest of it.
  if (width === 1) return new Float32Array(size.length).fill(density)
  // Size and place in one number below 2⁵³: rows are narrower than 2²¹.
  const row = new Float64Array(width)
  const places = 2 ** Math.ceil(Math.log2(width))
  const out = new Float32Array(size.length)
  for (let start = 0; start < size.length; start += width) {
    for (let i = 0; i < width; i++) row[i] = size[start + i]! * places + i
    row.sort()
    for (let rank = 0; rank < width; rank++) out[start + (row[rank]! % places)] = density - epsilon + (2 * epsilon * rank) / (width - 1)
  }
  return out
}
