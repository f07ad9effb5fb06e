import { describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { ShapeError } from './errors.ts'
import { evaluate } from './evaluate.ts'
import { jacobianVectorProduct, vectorJacobianProduct } from './jacobian.ts'
import { exp } from './ops/elementwise.ts'
import { takeRows } from './ops/indexing.ts'
import { input } from './ops/leaf.ts'
import { matmul } from './ops/linear.ts'
import { softmax, sum } from './ops/reduce.ts'
import { transpose } from './ops/shape.ts'
import { type Tensor, tensor } from './tensor.ts'
import { graph } from './value.ts'

const [w, v, index] = [input('w', [2, 3]), input('v', [2, 3]), input('index', [3], 'i32')]
const outputs = [softmax(matmul(takeRows(w, index), transpose(exp(w)))), sum(exp(w.mul(w)), [1])]
const at = [0.3, -0.2, 0.5, 0.9, 0.1, -0.4]
const along = [1, -1, 0.5, 0.2, 0.3, -0.7]
const given = { index: tensor([1, 0, 1], [3], 'i32') }
const of = (numbers: readonly number[]) => tensor(Float64Array.from(numbers), [2, 3])

describe('products with the Jacobian of two outputs', () => {
  it('J·v is the central difference of the outputs', () => {
    const [a, b] = jacobianVectorProduct(outputs, { w }, { w: v })
    const got = evaluate(graph({ w, v, index }, { a: a!, b: b! }), { w: of(at), v: of(along), ...given })
    const plain = graph({ w, index }, { a: outputs[0]!, b: outputs[1]! })
    const h = 1e-5
    const [up, down] = [h, -h].map((step) => evaluate(plain, { w: of(at.map((x, i) => x + step * along[i]!)), ...given })) as [
      Record<string, Tensor>,
      Record<string, Tensor>,
    ]
    for (const name of ['a', 'b'])
      expectClose(
        got[name]!.data,
        Array.from(up[name]!.data, (x, i) => (x - down[name]!.data[i]!) / (2 * h)),
        tolerances.firstDifference,
      )
  })

  it('Jᵀ·u is its transpose: u·(J·v) = v·(Jᵀ·u)', () => {
    const u = outputs.map(({ shape }, i) => input(`u.${i}`, shape))
    const moved = jacobianVectorProduct(outputs, { w }, { w: v }).map((y, i) => sum(y.mul(u[i]!)))
    const back = sum(vectorJacobianProduct(outputs, { w }, u).w.mul(v))
    const both = graph({ w, v, index, u0: u[0]!, u1: u[1]! }, { forth: moved[0]!.add(moved[1]!), back })
    const filled = u.map(({ shape }) =>
      tensor(Float64Array.from({ length: 6 }, (_, i) => Math.cos(i)).slice(0, shape[0]! * (shape[1] ?? 1)), shape),
    )
    const { forth, back: found } = evaluate(both, { w: of(at), v: of(along), ...given, u0: filled[0]!, u1: filled[1]! })
    expectClose(forth!.data, found!.data, tolerances.reordered)
  })

  it('a direction of another shape is refused', () => {
    expect(() => jacobianVectorProduct(outputs, { w }, { w: input('other', [3]) })).toThrow(ShapeError)
  })
})
