import { demand } from '../errors.ts'
import { show, type Tensor, type Type } from '../tensor.ts'
import { apply, op, type Value } from '../value.ts'
import { exp } from './elementwise.ts'
import { matmul } from './linear.ts'
import { softmax, sum } from './reduce.ts'
import { transpose } from './shape.ts'

/** How a product with many rows of w is computed. */
export type InBlocks = {
  /** So many blocks of rows of w are multiplied one after the other, and what was multiplied is gone then. It divides the number of rows. */
  readonly blocks: number
}

/**
 * log Σᵥ e^(x·wᵥ), without ever holding more than one block of the products x·wᵀ; its gradients are the two ops below.
 *
 * shape   x f32[n, d], w f32[v, d] → f32[n, 1]
 * throws  ShapeError when the widths differ, or the blocks do not divide v
 * source  sums over blocks with a running maximum: Milakov and Gimelshein 2018, arXiv:1805.02867
 */
export function logPartition(x: Value, w: Value, how: InBlocks): Value {
  return apply(logPartitionOp, { x, w }, how)
}
export const logPartitionOp = op<'x' | 'w', InBlocks>('logPartition', {
  infer: ({ x, w }, how) => ({ dtype: 'f32', shape: [sizesOf('logPartition', x, w, how).n, 1] }),
  eval: ({ x, w }) => ({ dtype: 'f32', shape: [x.shape[0]!, 1], data: Float64Array.from(productsOf(x, w), logSumExpOf) }),
  grad: ({ dy, x, w, y }, how) => ({ x: dy.mul(expectedRow(x, w, how)), w: partitionSlope({ x, w, lse: y, by: dy }, how) }),
  onnx({ g, x, w }) {
    const z = g.node('MatMul', [x, g.node('Transpose', [w], { perm: [1, 0] })])
    const top = g.node('ReduceMax', [z, g.i64([-1])], { keepdims: 1 })
    return g.node('Add', [top, g.node('Log', [g.node('ReduceSum', [g.node('Exp', [g.node('Sub', [z, top])]), g.i64([-1])], { keepdims: 1 })])]) // biome-ignore format: one line
  },
  samples: (rng) => [
    { x: rng.f32([3, 2]), w: rng.f32([6, 2]), attrs: { blocks: 3 } },
    { x: rng.f32([2, 4], -6, 6), w: rng.f32([4, 4], -6, 6), attrs: { blocks: 2 } },
    { x: rng.f32([2, 2]), w: rng.f32([5, 2]), attrs: { blocks: 1 } },
  ],
})

/**
 * Σᵥ pᵥ·wᵥ with p = softmax(x·wᵀ): the row that is expected, and the gradient of logPartition with respect to x.
 *
 * shape   x f32[n, d], w f32[v, d] → f32[n, d]
 * throws  ShapeError as logPartition
 * limits  its own gradients hold all products at once
 */
export function expectedRow(x: Value, w: Value, how: InBlocks): Value {
  return apply(expectedRowOp, { x, w }, how)
}
export const expectedRowOp = op<'x' | 'w', InBlocks>('expectedRow', {
  infer({ x, w }, how) {
    const { n, d } = sizesOf('expectedRow', x, w, how)
    return { dtype: 'f32', shape: [n, d] }
  },
  eval({ x, w }) {
    const d = x.shape[1]!
    const rows = productsOf(x, w).map((z) => {
      const lse = logSumExpOf(z)
      return Array.from({ length: d }, (_, j) => z.reduce((total, of, v) => total + Math.exp(of - lse) * w.data[v * d + j]!, 0))
    })
    return { dtype: 'f32', shape: x.shape, data: Float64Array.from(rows.flat()) }
  },
  grad({ dy, x, w }) {
    const p = softmax(matmul(x, transpose(w)))
    const along = matmul(dy, transpose(w))
    const slope = p.mul(along.sub(sum(p.mul(along), [-1])))
    return { x: matmul(slope, w), w: matmul(transpose(p), dy).add(matmul(transpose(slope), x)) }
  },
  onnx: ({ g, x, w }) =>
    g.node('MatMul', [g.node('Softmax', [g.node('MatMul', [x, g.node('Transpose', [w], { perm: [1, 0] })])], { axis: -1 }), w]),
  samples: (rng) => [
    { x: rng.f32([3, 2]), w: rng.f32([6, 2]), attrs: { blocks: 3 } },
    { x: rng.f32([2, 3], -3, 3), w: rng.f32([4, 3], -3, 3), attrs: { blocks: 2 } },
  ],
})

/**
 * Σᵢ byᵢ·pᵢᵥ·xᵢ with p = e^(x·wᵀ − lse): the gradient of logPartition with respect to w, where `by` arrives. The products are computed again.
 *
 * shape   x f32[n, d], w f32[v, d], lse and by f32[n, 1] → f32[v, d]
 * throws  ShapeError as logPartition, or when lse and by are not one number a row of x
 * limits  its own gradients hold all products at once
 */
export function partitionSlope(of: Readonly<Record<'x' | 'w' | 'lse' | 'by', Value>>, how: InBlocks): Value {
  return apply(partitionSlopeOp, of, how)
}
export const partitionSlopeOp = op<'x' | 'w' | 'lse' | 'by', InBlocks>('partitionSlope', {
  infer({ x, w, lse, by }, how) {
    const { n } = sizesOf('partitionSlope', x, w, how)
    const fits = [lse, by].every(({ shape: [rows, one, ...more] }) => rows === n && one === 1 && more.length === 0)
    demand(fits, () => `partitionSlope: lse and by must be [${n}, 1], got ${show(lse)} and ${show(by)}`)
    return { dtype: 'f32', shape: w.shape }
  },
  eval({ x, w, lse, by }) {
    const d = x.shape[1]!
    const data = new Float64Array(w.data.length)
    productsOf(x, w).forEach((z, i) => {
      z.forEach((of, v) => {
        const q = by.data[i]! * Math.exp(of - lse.data[i]!)
        for (let j = 0; j < d; j++) data[v * d + j]! += q * x.data[i * d + j]!
      })
    })
    return { dtype: 'f32', shape: w.shape, data }
  },
  grad({ dy, x, w, lse, by }) {
    const p = exp(matmul(x, transpose(w)).sub(lse))
    const q = p.mul(by)
    const along = matmul(x, transpose(dy))
    const slope = along.mul(q)
    return {
      x: matmul(q, dy).add(matmul(slope, w)),
      w: matmul(transpose(slope), x),
      lse: sum(slope, [-1]).neg(),
      by: sum(along.mul(p), [-1]),
    }
  },
  onnx({ g, x, w, lse, by }) {
    const turned = (name: string) => g.node('Transpose', [name], { perm: [1, 0] })
    const p = g.node('Exp', [g.node('Sub', [g.node('MatMul', [w, turned(x)]), turned(lse)])])
    return g.node('MatMul', [g.node('Mul', [p, turned(by)]), x])
  },
  samples: (rng) => [
    { x: rng.f32([3, 2], -1, 1), w: rng.f32([6, 2], -1, 1), lse: rng.f32([3, 1], 1, 2), by: rng.f32([3, 1]), attrs: { blocks: 3 } },
    { x: rng.f32([2, 3], -1, 1), w: rng.f32([4, 3], -1, 1), lse: rng.f32([2, 1], 1, 2), by: rng.f32([2, 1]), attrs: { blocks: 2 } },
  ],
})

function sizesOf(name: string, x: Type, w: Type, { blocks }: InBlocks): { n: number; v: number; d: number } {
  const [n, d] = x.shape as [number, number]
  const v = w.shape[0]!
  const fits = x.dtype === 'f32' && w.dtype === 'f32' && x.shape.length === 2 && w.shape.length === 2 && w.shape[1] === d
  demand(fits, () => `${name}: x [n, d] and w [v, d] expected, got ${show(x)} and ${show(w)}`)
  demand(Number.isInteger(blocks) && blocks >= 1 && v % blocks === 0, () => `${name}: blocks must divide ${v} rows, got ${blocks}`)
  return { n, v, d }
}

/** x·wᵀ, row by row. */
function productsOf(x: Tensor, w: Tensor): number[][] {
  const [n, d] = x.shape as [number, number]
  const v = w.shape[0]!
  const dot = (i: number, k: number) => {
    let total = 0
    for (let j = 0; j < d; j++) total += x.data[i * d + j]! * w.data[k * d + j]!
    return total
  }
  return Array.from({ length: n }, (_, i) => Array.from({ length: v }, (_, k) => dot(i, k)))
}

function logSumExpOf(row: readonly number[]): number {
  const highest = Math.max(...row)
  return highest + Math.log(row.reduce((total, v) => total + Math.exp(v - highest), 0))
}
