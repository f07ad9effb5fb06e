import { mergeMethod } from './method.ts'
import { arc, between, dot, norm } from './sphere.ts'

/** Along the great circle from the base to the other model: the angle is that of the tensors, lengths are those they have. */
export const slerp = mergeMethod({
  name: 'slerp',
  about: 'sin((1−t)Ω)/sin Ω · base + sin(tΩ)/sin Ω · θ; a straight line where |cos Ω| > 0.9995',
  source: 'Shoemake 1985, doi:10.1145/325165.325242; V-SLERP-1',
  base: 'needed',
  models: { least: 2, most: 2 },
  parameters: { t: { of: 'merge', kind: 'number', about: 'share of the way: 0 is the base, 1 the other model' } },

  merge({ base, others }, { t }) {
    const [a, b] = [base!, others[0]!]
    const length = (x: Float32Array) => nonZero(norm(x))
    const cos = between(-1, 1, dot(a, b) / (length(a) * length(b)))
    const [ofA, ofB] = arc(cos, t, (c) => Math.abs(c) > 0.9995)
    for (let i = 0; i < a.length; i++) a[i] = ofA * a[i]! + ofB * b[i]!
    return a
  },
})

function nonZero(length: number): number {
  return length > 1e-8 ? length : 1
}
