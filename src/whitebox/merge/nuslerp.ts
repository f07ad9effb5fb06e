import { type Given, mergeMethod } from './method.ts'
import { arc, between } from './sphere.ts'

/** Slerp of two models by their weights; of their differences where there is a base. Angles are those of whole tensors, of rows or of columns. */
export const nuslerp = mergeMethod({
  name: 'nuslerp',
  about: 'base + slerp of the two differences at t = w₂ / (w₁ + w₂)',
  source: 'Shoemake 1985, doi:10.1145/325165.325242; parameters as in mergekit 0.1.5',
  base: 'may be',
  models: { least: 2 },
  others: { least: 2, most: 2 },
  parameters: {
    weight: { of: 'other', kind: 'number', about: 'what the model counts; t is the share of the second' },
    nuslerp_flatten: { of: 'merge', kind: 'switch', default: true, about: 'one angle for the whole tensor' },
    nuslerp_row_wise: { of: 'merge', kind: 'switch', default: false, about: 'else an angle for every column, along the first axis, and not for every row' }, // biome-ignore format: one line
  },

  merge({ base, others, shape }, { weight, nuslerp_flatten: whole, nuslerp_row_wise: first }) {
    const total = weight[0]! + weight[1]!
    const t = Math.abs(total) < 1e-6 ? 0.5 : weight[1]! / total
    const { length } = others[0]!
    const width = shape.at(-1) ?? 1
    if (whole || shape.length < 2) along(base, others, t, { start: 0, step: 1, count: length })
    else if (first) for (let c = 0; c < width; c++) along(base, others, t, { start: c, step: width, count: length / width })
    else for (let start = 0; start < length; start += width) along(base, others, t, { start, step: 1, count: width })
    return others[0]!
  },
})

interface Run {
  readonly start: number
  readonly step: number
  readonly count: number
}

/** Writes over the first of the two. */
function along(base: Given['base'], [a, b]: Given['others'], t: number, { start, step, count }: Run) {
  const end = start + step * count
  let [aa, bb, ab] = [0, 0, 0]
  for (let i = start; i < end; i += step) {
    const from = base ? base[i]! : 0
    const [x, y] = [a![i]! - from, b![i]! - from]
    aa += x * x
    bb += y * y
    ab += x * y
  }
  const cos = between(-1, 1, ab / (Math.max(1e-7, Math.sqrt(aa)) * Math.max(1e-7, Math.sqrt(bb))))
  const [ofA, ofB] = arc(cos, t, (c) => 1 - c * c <= 1e-16)
  for (let i = start; i < end; i += step) {
    const from = base ? base[i]! : 0
    a![i] = from + ofA * (a![i]! - from) + ofB * (b![i]! - from)
  }
}
