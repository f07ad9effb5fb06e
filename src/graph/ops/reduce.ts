import { demand } from '../errors.ts'
import { type Shape, show, sizeOf, type Tensor, type Type, tensor } from '../tensor.ts'
import { apply, op, type Value } from '../value.ts'
import { broadcastIndex } from './elementwise.ts'
import { broadcastTo, reshape } from './shape.ts'

/** Sum over axes, which stay as 1; over all axes, and none left, when no axes are named. */
export function sum(x: Value, axes?: readonly number[]): Value {
  const over = axes ?? x.shape.map((_, i) => i)
  const kept = apply(sumOp, { x }, { axes: over.map((axis) => (axis < 0 ? axis + x.shape.length : axis)) })
  return axes ? kept : reshape(kept, [])
}
export const sumOp = op<'x', { axes: readonly number[] }>('sum', {
  infer: ({ x }, { axes }) => ({ dtype: 'f32', shape: reducedShape('sum', x, axes) }),
  eval({ x }, { axes }) {
    const shape = reducedShape('sum', x, axes)
    const at = broadcastIndex(shape, x.shape)
    const data = new Float64Array(sizeOf(shape))
    x.data.forEach((v, i) => {
      data[at(i)]! += v
    })
    return { dtype: 'f32', shape, data }
  },
  grad: ({ dy, x }) => ({ x: broadcastTo(dy, x.shape) }),
  onnx: ({ g, x }, { axes }) => (axes.length === 0 ? x : g.node('ReduceSum', [x, g.i64(axes)], { keepdims: 1 })),
  samples: (rng) => [
    { x: rng.f32([2, 3, 2]), attrs: { axes: [1] } },
    { x: rng.f32([4, 3]), attrs: { axes: [0, 1] } },
    { x: rng.f32([2]), attrs: { axes: [] } },
  ],
})

/** Mean over axes, as sum. */
export function mean(x: Value, axes?: readonly number[]): Value {
  const total = sum(x, axes)
  return total.mul(sizeOf(total.shape) / sizeOf(x.shape))
}

/** e^x over its sum, along the last axis. */
export function softmax(x: Value): Value {
  return apply(softmaxOp, { x })
}
export const softmaxOp = op<'x'>('softmax', {
  infer: ({ x }) => lastAxis('softmax', x),
  eval: ({ x }) =>
    perRow(x, x.shape, (row) => {
      const lse = logSumExpOf(row)
      return row.map((v) => Math.exp(v - lse))
    }),
  grad: ({ dy, y }) => ({ x: dy.sub(sum(dy.mul(y), [-1])).mul(y) }),
  onnx: ({ g, x }) => g.node('Softmax', [x], { axis: -1 }),
  samples: (rng) => [{ x: rng.f32([2, 5], -4, 4) }, { x: rng.f32([1, 3, 2]) }],
})

/**
 * log Σ e^x along the last axis, which stays as 1.
 *
 * limits  lowered as max x − log max softmax(x): exact, and it shares the Softmax that the gradient needs (ReduceLogSumExp is slow)
 */
export function logSumExp(x: Value): Value {
  return apply(logSumExpOp, { x })
}
export const logSumExpOp = op<'x'>('logSumExp', {
  infer: ({ x }) => ({ dtype: 'f32', shape: lastAxis('logSumExp', x).shape.with(-1, 1) }),
  eval: ({ x }) => perRow(x, x.shape.with(-1, 1), (row) => [logSumExpOf(row)]),
  grad: ({ dy, x }) => ({ x: dy.mul(softmax(x)) }),
  onnx: ({ g, x }) => {
    const p = g.node('Softmax', [x], { axis: -1 })
    const highest = (name: string) => g.node('ReduceMax', [name, g.i64([-1])], { keepdims: 1 })
    // ONNX Runtime runs the later one first: x is read before the softmax takes its place.
    const last = g.node('Log', [highest(p)])
    return g.node('Sub', [highest(x), last])
  },
  samples: (rng) => [{ x: rng.f32([2, 5], -4, 4) }, { x: rng.f32([3], 50, 90) }],
})

/**
 * Where the largest entry along the last axis is, the first of equals, as its position in the flattened x: `takeRows` of that finds the
 * entries, and the position modulo the axis' length is the index along it.
 *
 * shape   x f32[…s, n] → i32[…s]
 */
export function argMax(x: Value): Value {
  return apply(argMaxOp, { x })
}
export const argMaxOp = op<'x'>('argMax', {
  infer: ({ x }) => ({ dtype: 'i32', shape: lastAxis('argMax', x).shape.slice(0, -1) }),
  eval({ x }) {
    const n = x.shape.at(-1)!
    const { data } = perRow(x, x.shape.slice(0, -1), (row) => [row.indexOf(Math.max(...row))])
    return { dtype: 'i32', shape: x.shape.slice(0, -1), data: Float64Array.from(data, (i, row) => row * n + i) }
  },
  onnx({ g, x }, _, types) {
    const starts = Array.from({ length: sizeOf(types.y.shape) }, (_, row) => row * types.x.shape.at(-1)!)
    const index = g.node('ArgMax', [x], { axis: -1, keepdims: 0 })
    return g.node('Cast', [g.node('Add', [index, g.node('Reshape', [g.i64(starts), g.i64(types.y.shape)])])], { to: 6 })
  },
  samples: (rng) => [{ x: rng.f32([2, 5]) }, { x: rng.f32([3, 2, 4]) }],
})

/**
 * The order of the entries along the last axis, the smallest first and equals as they stand, as positions in the flattened x: `takeRows` of
 * that are the sorted entries, with a gradient that each entry gets back.
 *
 * shape   x f32[…s, n] → i32[…s, n]
 */
export function argSort(x: Value): Value {
  return apply(argSortOp, { x })
}
export const argSortOp = op<'x'>('argSort', {
  infer: ({ x }) => ({ dtype: 'i32', shape: lastAxis('argSort', x).shape }),
  eval({ x }) {
    const n = x.shape.at(-1)!
    const order = (row: number[]) => [...row.keys()].sort((a, b) => row[a]! - row[b]!)
    const { data } = perRow(x, x.shape, order)
    return { dtype: 'i32', shape: x.shape, data: Float64Array.from(data, (at, i) => at + n * Math.floor(i / n)) }
  },
  onnx({ g, x }, _, types) {
    const n = types.x.shape.at(-1)!
    const starts = Array.from({ length: sizeOf(types.y.shape) / n }, (_, row) => row * n)
    const [, index] = g.nodes('TopK', [x, g.i64([n])], 2, { axis: -1, largest: 0, sorted: 1 })
    return g.node('Cast', [g.node('Add', [index!, g.node('Reshape', [g.i64(starts), g.i64(types.y.shape.with(-1, 1))])])], { to: 6 })
  },
  samples: (rng) => [{ x: rng.f32([7]) }, { x: rng.f32([3, 2, 4]) }, { x: tensor([1, 0, 1, 0], [4]) }],
})

function reducedShape(name: string, x: Type, axes: readonly number[]): Shape {
  demand(
    x.dtype === 'f32' && axes.every((axis) => axis >= 0 && axis < x.shape.length),
    () => `${name}: axes of an f32 value expected, got [${axes}] for ${show(x)}`,
  )
  return x.shape.map((n, i) => (axes.includes(i) ? 1 : n))
}

function lastAxis(name: string, x: Type): Type {
  demand(x.dtype === 'f32' && x.shape.length > 0, () => `${name}: f32 with a last axis expected, got ${show(x)}`)
  return { dtype: 'f32', shape: x.shape }
}

function logSumExpOf(row: readonly number[]): number {
  const highest = Math.max(...row)
  return highest + Math.log(row.reduce((total, v) => total + Math.exp(v - highest), 0))
}

function perRow(x: Tensor, shape: Shape, f: (row: number[]) => number[]): Tensor {
  const n = x.shape.at(-1)!
  const rows = sizeOf(x.shape) / n
  const data = Array.from({ length: rows }, (_, r) => f(Array.from(x.data.slice(r * n, (r + 1) * n)))).flat()
  return { dtype: 'f32', shape, data: Float64Array.from(data) }
}
