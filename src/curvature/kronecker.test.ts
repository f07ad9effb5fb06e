import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { tensor } from '../graph/index.ts'
import { kroneckerInverse } from './kronecker.ts'

const entries = (length: number) => fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: length, maxLength: length })

describe('the inverse of a Kronecker-factored Fisher matrix', () => {
  it('of one gradient of rank 1 it is exact: (g·gᵀ + λ)⁻¹ v = (v − g·(g·v) / (λ + ‖g‖²)) / λ', () => {
    fc.assert(
      fc.property(entries(2), entries(3), entries(6), fc.double({ min: 0.1, max: 2, noNaN: true }), (a, b, v, damping) => {
        const g = a.flatMap((x) => b.map((y) => x * y))
        const solve = kroneckerInverse([{ w: tensor(Float64Array.from(g), [2, 3]) }], damping)
        const along = g.reduce((sum, x, i) => sum + x * v[i]!, 0) / (damping + g.reduce((sum, x) => sum + x * x, 0))
        const wanted = v.map((x, i) => (x - g[i]! * along) / damping)
        expectClose(solve({ w: tensor(Float64Array.from(v), [2, 3]) }).w!.data, wanted, tolerances.decomposed)
      }),
    )
  })

  it('of a vector it is the diagonal, and without curvature 1 / damping', () => {
    const gradients = [
      { b: tensor(Float64Array.of(1, 0), [2]), w: tensor(new Float64Array(4), [2, 2]) },
      { b: tensor(Float64Array.of(3, 0), [2]), w: tensor(new Float64Array(4), [2, 2]) },
    ]
    const solved = kroneckerInverse(gradients, 2)({ b: tensor(Float64Array.of(7, 7), [2]), w: tensor(Float64Array.of(1, 2, 3, 4), [2, 2]) })
    expectClose(solved.b!.data, [1, 3.5], tolerances.decomposed)
    expectClose(solved.w!.data, [0.5, 1, 1.5, 2], tolerances.decomposed)
  })

  it('needs examples and a damping', () => {
    expect(() => kroneckerInverse([], 1)).toThrow(/must have the gradient of an example, got none/)
    expect(() => kroneckerInverse([{ b: tensor(Float64Array.of(1), [1]) }], 0)).toThrow(/damping must be above 0, got 0/)
  })
})
