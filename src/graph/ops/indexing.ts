import { demand } from '../errors.ts'
import { sameShape, show, sizeOf, type Tensor, type Type } from '../tensor.ts'
import { apply, op, type Value } from '../value.ts'
import { zerosLike } from './leaf.ts'

/**
 * Picks rows: y[…i] = x[index[…i]]. An embedding is this, and so is choosing the positions whose log-probability is wanted.
 *
 * shape   x f32[n, …d], index i32[…i] → f32[…i, …d]
 * grad    dx adds dy back at index; index is discrete and gets none
 * throws  ShapeError when index is not i32
 */
export function takeRows(x: Value, index: Value): Value {
  return apply(takeRowsOp, { x, index })
}
export const takeRowsOp = op<'x' | 'index'>('takeRows', {
  infer({ x, index }) {
    demand(
      index.dtype === 'i32' && x.shape.length > 0,
      () => `takeRows: rows of x and an i32 index expected, got ${show(x)} and ${show(index)}`,
    )
    return { dtype: x.dtype, shape: [...index.shape, ...x.shape.slice(1)] }
  },
  eval({ x, index }) {
    const width = sizeOf(x.shape.slice(1))
    const shape = [...index.shape, ...x.shape.slice(1)]
    return { dtype: x.dtype, shape, data: Float64Array.from({ length: sizeOf(shape) }, (_, i) => x.data[at(index, width, i)]!) }
  },
  grad: ({ dy, x, index }) => ({ x: addRows(zerosLike(x), index, dy) }),
  onnx: ({ g, x, index }) => g.node('Gather', [x, index], { axis: 0 }),
  samples: (rng) => [
    { x: rng.f32([4, 3]), index: rng.index([2, 3], 4) },
    { x: rng.f32([5]), index: rng.index([7], 5) }, // more picks than rows, so some repeat
  ],
})

/**
 * Adds rows: y = x, then y[index[…i]] += u[…i]. Repeated indices accumulate.
 *
 * shape   x f32[n, …d], index i32[…i], u f32[…i, …d] → f32[n, …d]
 * grad    dx = dy, du = dy taken at index: the transpose of takeRows, so either differentiates again
 * throws  ShapeError as takeRows, or when u is not one row per index
 */
export function addRows(x: Value, index: Value, u: Value): Value {
  return apply(addRowsOp, { x, index, u })
}
export const addRowsOp = op<'x' | 'index' | 'u'>('addRows', {
  infer({ x, index, u }: { x: Type; index: Type; u: Type }) {
    demand(index.dtype === 'i32', () => `addRows: an i32 index expected, got ${show(index)}`)
    demand(
      sameShape(u.shape, [...index.shape, ...x.shape.slice(1)]),
      () => `addRows: one row per index expected, got ${show(u)} for x ${show(x)} and index ${show(index)}`,
    )
    return { dtype: x.dtype, shape: x.shape }
  },
  eval({ x, index, u }) {
    const width = sizeOf(x.shape.slice(1))
    const data = x.data.slice()
    u.data.forEach((v, i) => {
      data[at(index, width, i)]! += v
    })
    return { ...x, data }
  },
  grad: ({ dy, index }) => ({ x: dy, u: takeRows(dy, index) }),
  onnx: ({ g, x, index, u }, _, types) => {
    const column = g.node('Cast', [g.node('Reshape', [index, g.i64([...types.index.shape, 1])])], { to: 7 })
    return g.node('ScatterND', [x, column, u], { reduction: 'add' })
  },
  samples: (rng) => [
    { x: rng.f32([4, 2]), index: rng.index([6], 4), u: rng.f32([6, 2]) },
    { x: rng.f32([3]), index: rng.index([2, 2], 3), u: rng.f32([2, 2]) },
  ],
})

/** Flat position in x of the i-th number of the picked rows, each `width` numbers long. */
function at(index: Tensor, width: number, i: number): number {
  return index.data[Math.floor(i / width)]! * width + (i % width)
}
