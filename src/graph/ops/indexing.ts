import { demand } from '../errors.ts'
import { sameShape, show, sizeOf, type Tensor, type Type, tensor } from '../tensor.ts'
import { apply, type Lowering, op, type Value } from '../value.ts'
import { zerosLike } from './leaf.ts'
import { sum } from './reduce.ts'
import { pad, reshape } from './shape.ts'

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
 * takeRows where it is known who reads each row of x, so that the gradient reads rows too instead of adding them up.
 *
 * shape   x f32[n, …d], index i32[…i], readers i32[m, n] → f32[…i, …d]; readers are places in the flat index, m of them for each row of x
 * grad    dx = Σ over m of dy at readers; index and readers get none
 * limits  readers are taken at their word: places that read the row, and for the rest of m the place after the last. What no reader names
 *         passes no gradient on.
 * throws  ShapeError when index or readers are not i32, or readers not as wide as x has rows
 */
export function takeKnownRows(x: Value, index: Value, readers: Value): Value {
  return apply(takeKnownRowsOp, { x, index, readers })
}
export const takeKnownRowsOp = op<'x' | 'index' | 'readers'>('takeKnownRows', {
  infer({ x, index, readers }) {
    demand(
      readers.dtype === 'i32' && readers.shape.length === 2 && readers.shape[1] === x.shape[0],
      () => `takeKnownRows: i32 readers of every row of x expected, got ${show(readers)} for ${show(x)}`,
    )
    return takeRowsOp.infer({ x, index }, {})
  },
  eval: ({ x, index }) => takeRowsOp.eval({ x, index }, {}),
  grad({ dy, x, index, readers }) {
    const rows = pad(reshape(dy, [sizeOf(index.shape), ...x.shape.slice(1)]), 0, 0, 1)
    return { x: reshape(sum(takeRows(rows, readers), [0]), x.shape) }
  },
  onnx: ({ g, x, index }) => g.node('Gather', [x, index], { axis: 0 }),
  // The first row is read once, the second twice, the third three times.
  samples: (rng) => [
    { x: rng.f32([3, 2]), index: tensor([0, 2, 1, 1, 2, 2], [2, 3], 'i32'), readers: tensor([0, 2, 1, 6, 3, 4, 6, 6, 5], [3, 3], 'i32') },
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
  onnx({ g, x, index, u }, _, types) {
    const [rows, count, width] = [types.x.shape[0]!, sizeOf(types.index.shape), sizeOf(types.x.shape.slice(1))]
    const whole = g.node('Cast', [g.node('Reshape', [index, g.i64([count])])], { to: 7 })
    const updates = g.node('Reshape', [u, g.i64([count, width])])
    const part = (all: string, from: number) =>
      count > BLOCK ? g.node('Slice', [all, g.i64([from]), g.i64([Math.min(from + BLOCK, count)]), g.i64([0])]) : all
    // A reshape of an output is a copy, so there is none where nothing is reshaped.
    const flat = types.x.shape.length === 2
    let y = flat ? x : g.node('Reshape', [x, g.i64([rows, width])])
    for (let from = 0; from < count; from += BLOCK)
      y = added(g, y, part(whole, from), part(updates, from), { width, short: rows <= Math.min(count, BLOCK) && rows })
    return flat ? y : g.node('Reshape', [y, g.i64(types.x.shape)])
  },
  samples: (rng) => [
    { x: rng.f32([4, 2]), index: rng.index([6], 4), u: rng.f32([6, 2]) },
    { x: rng.f32([3]), index: rng.index([2, 2], 3), u: rng.f32([2, 2]) },
    { x: rng.f32([9, 2]), index: rng.index([2, 3], 4), u: rng.f32([2, 3, 2]) }, // more rows than are added
  ],
})

/** So many rows are added at a time: their indices are compared each with every other. */
const BLOCK = 2048

/**
 * ONNX Runtime's ScatterND adds in several threads, and of two that meet at a row one is lost. So rows are added up in products: into each row
 * of a short x, of so many rows; or into each row of u, where those of one index then say the same, and may be written in any order.
 */
function added(g: Lowering, x: string, index: string, u: string, { width, short }: { width: number; short: number | false }): string {
  const equal = (places: string) => g.node('Cast', [g.node('Equal', [g.node('Unsqueeze', [places, g.i64([1])]), index])], { to: 1 })
  if (short === false) {
    const after = g.node('Add', [g.node('Gather', [x, index], { axis: 0 }), g.node('MatMul', [equal(index), u])])
    // ScatterElements writes into x itself where nothing else reads it; ScatterND always copies it.
    const every = g.node('Expand', [g.node('Unsqueeze', [index, g.i64([1])]), g.i64([1, width])])
    return g.node('ScatterElements', [x, every, after], { axis: 0 })
  }
  const number = (n: number) => g.node('Squeeze', [g.i64([n])])
  const every = g.node('Range', [number(0), number(short), number(1)])
  return g.node('Add', [x, g.node('MatMul', [equal(every), u])])
}

/** Flat position in x of the i-th number of the picked rows, each `width` numbers long. */
function at(index: Tensor, width: number, i: number): number {
  return index.data[Math.floor(i / width)]! * width + (i % width)
}
