import { demand } from '../errors.ts'
import { type Shape, show, sizeOf, type Type } from '../tensor.ts'
import { apply, op, type Value } from '../value.ts'
import { broadcastIndex, sumTo } from './elementwise.ts'
import { reshape, transpose } from './shape.ts'

/**
 * Matrix product over the last two axes; leading axes broadcast.
 *
 * shape   a f32[…b, m, k], b f32[…b, k, n] → f32[…b, m, n]
 * throws  ShapeError when the inner axes differ
 */
export function matmul(a: Value, b: Value): Value {
  return apply(matmulOp, { a, b })
}
export const matmulOp = op<'a' | 'b'>('matmul', {
  infer({ a, b }) {
    const fits = a.dtype === 'f32' && b.dtype === 'f32' && a.shape.length >= 2 && b.shape.length >= 2 && a.shape.at(-1) === b.shape.at(-2)
    demand(fits, () => `matmul: inner axes must agree, got ${show(a)} and ${show(b)}`)
    return { dtype: 'f32', shape: [...batchShape(a, b), a.shape.at(-2)!, b.shape.at(-1)!] }
  },
  eval({ a, b }) {
    const [m, k, n] = [a.shape.at(-2)!, a.shape.at(-1)!, b.shape.at(-1)!]
    const batch = batchShape(a, b)
    const ia = broadcastIndex(a.shape.slice(0, -2), batch)
    const ib = broadcastIndex(b.shape.slice(0, -2), batch)
    const data = new Float64Array(sizeOf(batch) * m * n)
    for (let z = 0; z < sizeOf(batch); z++) {
      for (let i = 0; i < m; i++) {
        for (let l = 0; l < k; l++) {
          const left = a.data[(ia(z) * m + i) * k + l]!
          for (let j = 0; j < n; j++) data[(z * m + i) * n + j]! += left * b.data[(ib(z) * k + l) * n + j]!
        }
      }
    }
    return { dtype: 'f32', shape: [...batch, m, n], data }
  },
  grad({ dy, a, b }) {
    if (b.shape.length === 2 && a.shape.length > 2) {
      // One matrix for all rows: flat products instead of a batched one that is summed afterwards.
      const flat = (x: Value) => reshape(x, [sizeOf(x.shape) / x.shape.at(-1)!, x.shape.at(-1)!])
      return { a: reshape(matmul(flat(dy), transpose(b)), a.shape), b: matmul(transpose(flat(a)), flat(dy)) }
    }
    return { a: sumTo(matmul(dy, transpose(b)), a.shape), b: sumTo(matmul(transpose(a), dy), b.shape) }
  },
  onnx: ({ g, a, b }) => g.node('MatMul', [a, b]),
  samples: (rng) => [
    { a: rng.f32([2, 3]), b: rng.f32([3, 4]) },
    { a: rng.f32([2, 2, 3]), b: rng.f32([3, 2]) },
    { a: rng.f32([2, 1, 2, 3]), b: rng.f32([1, 3, 3, 2]) },
  ],
})

/** x · wᵀ for a weight kept as [out, in], as checkpoints keep them; leading axes of x are one long list of rows. */
export function linear(x: Value, weight: Value): Value {
  if (x.shape.length === 2) return matmul(x, transpose(weight))
  const rows = sizeOf(x.shape) / x.shape.at(-1)!
  return reshape(matmul(reshape(x, [rows, x.shape.at(-1)!]), transpose(weight)), x.shape.with(-1, weight.shape[0]!))
}

function batchShape(a: Type, b: Type): Shape {
  const [left, right] = [a.shape.slice(0, -2), b.shape.slice(0, -2)]
  const rank = Math.max(left.length, right.length)
  return Array.from({ length: rank }, (_, i) => {
    const m = left[i - rank + left.length] ?? 1
    const n = right[i - rank + right.length] ?? 1
    demand(m === n || m === 1 || n === 1, () => `matmul: leading axes must agree or be 1, got ${show(a)} and ${show(b)}`)
    return m === 1 ? n : m
  })
}
