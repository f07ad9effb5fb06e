import { demand } from '../errors.ts'
import { type Shape, show, sizeOf, type Type } from '../tensor.ts'
import { apply, op, type Value } from '../value.ts'
import { broadcastIndex, sumTo } from './elementwise.ts'
import { sum } from './reduce.ts'
import { reshape, transpose } from './shape.ts'

/**
 * Matrix product over the last two axes; leading axes broadcast.
 *
 * A factor per row of `a`, or per row of a transposed `a`, is moved to whichever side is smaller: the gradient of a head's softmax is
 * scaled on [positions, d] instead of on [positions, vocabulary]. Of three matrices the cheaper product is taken first: the gradient of a
 * low-rank factor is never as large as the weight that it is a part of.
 *
 * shape   a f32[…b, m, k], b f32[…b, k, n] → f32[…b, m, n]
 * throws  ShapeError when the inner axes differ
 */
export function matmul(a: Value, b: Value): Value {
  const rows = perRowFactor(a)
  if (rows && sizeOf(a.shape) > a.shape[0]! * b.shape[1]!) return matmul(rows.matrix, b).mul(rows.factor)
  const columns = a.op.name === 'transpose' && a.shape.length === 2 ? perRowFactor(a.inputs.x!) : undefined
  if (columns && sizeOf(a.shape) > sizeOf(b.shape)) return matmul(transpose(columns.matrix), b.mul(columns.factor))
  const right = b.shape.length === 2 && a.shape.length === 2 ? perRowFactor(b) : undefined
  if (right && a.op.name === 'transpose' && sizeOf(b.shape) > sizeOf(a.shape))
    return matmul(transpose(a.inputs.x!.mul(right.factor)), right.matrix)
  return inCheaperOrder(a, b) ?? apply(matmulOp, { a, b })
}

/** aᵀ·dy, or (dyᵀ·a)ᵀ where that turns less: an attention pattern is larger than what comes of it. */
function slopeOfRight(a: Value, b: Value, dy: Value): Value {
  const narrow = a.shape.length > 2 && sizeOf(dy.shape) + sizeOf(b.shape) < sizeOf(a.shape)
  return narrow ? transpose(matmul(transpose(dy), a)) : matmul(transpose(a), dy)
}

/** p·(q·b) for a = p·q, or (a·p)·q for b = p·q, where that takes less than half of the work. */
function inCheaperOrder(a: Value, b: Value): Value | undefined {
  if (a.shape.length !== 2 || b.shape.length !== 2) return undefined
  const work = (x: { readonly shape: Shape }, n: number) => sizeOf(x.shape) * n
  const [rows, columns] = [a.shape[0]!, b.shape[1]!]
  const left = productOf(a)
  if (left && 2 * (work(left.q, columns) + work(left.p, columns)) < work(left.p, left.q.shape[1]!) + work(a, columns))
    return times(matmul(left.p, matmul(left.q, b)), left.by)
  const right = productOf(b)
  if (right && 2 * (work(right.p, rows) + work(right.q, rows)) < work(right.p, columns) + work(b, rows))
    return times(matmul(matmul(a, right.p), right.q), right.by)
  return undefined
}

/** x = by · p·q, of two matrices. */
function productOf(x: Value): { p: Value; q: Value; by: number } | undefined {
  const { a, b } = x.inputs
  if (x.op === matmulOp && a!.shape.length === 2 && b!.shape.length === 2) return { p: a!, q: b!, by: 1 }
  if (x.op.name === 'mul' && b!.op.name === 'constant' && b!.shape.length === 0) {
    const inner = productOf(a!)
    return inner && { ...inner, by: inner.by * (b!.attrs.fill as number) }
  }
  const turned = x.op.name === 'transpose' ? productOf(x.inputs.x!) : undefined
  return turned && { p: transpose(turned.q), q: transpose(turned.p), by: turned.by }
}

function times(x: Value, by: number): Value {
  return by === 1 ? x : x.mul(by)
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
    return { a: sumTo(matmul(dy, transpose(b)), a.shape), b: sumTo(slopeOfRight(a, b, dy), b.shape) }
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
  const rows = sizeOf(x.shape) / x.shape.at(-1)!
  return reshape(matmul(reshape(x, [rows, x.shape.at(-1)!]), transpose(weight)), x.shape.with(-1, weight.shape[0]!))
}

/**
 * Σ a·b along the last axis, which stays as 1. Where a is a product u·v it is Σ u·(b·vᵀ), which is narrower: the gradient of an attention
 * pattern needs only what attention gave.
 *
 * shape   a, b f32[…, n] → f32[…, 1]
 */
export function dot(a: Value, b: Value): Value {
  const { a: u, b: v } = a.op === matmulOp ? a.inputs : {}
  const narrower = u && v && v.shape.at(-2)! < v.shape.at(-1)! && u.shape.length === a.shape.length && v.shape.length === a.shape.length
  return narrower && sizeOf(u.shape) * v.shape.at(-1)! === sizeOf(a.shape) * v.shape.at(-2)!
    ? sum(u.mul(matmul(b, transpose(v))), [-1])
    : sum(a.mul(b), [-1])
}

/** x = factor · matrix with factor [m, 1] and matrix [m, n], n > 1. */
function perRowFactor(x: Value): { factor: Value; matrix: Value } | undefined {
  if (x.op.name !== 'mul' || x.shape.length !== 2 || x.shape[1] === 1) return undefined
  const { a, b } = x.inputs as { a: Value; b: Value }
  const isFactor = (v: Value) => v.shape.length === 2 && v.shape[0] === x.shape[0] && v.shape[1] === 1
  if (isFactor(a)) return { factor: a, matrix: b }
  return isFactor(b) ? { factor: b, matrix: a } : undefined
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
