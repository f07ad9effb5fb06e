import { demand } from '../errors.ts'
import { type Shape, sameShape, show, sizeOf, type Tensor } from '../tensor.ts'
import { apply, op, type Value } from '../value.ts'
import { broadcastIndex, sumTo } from './elementwise.ts'

/** The same numbers under another shape. */
export function reshape(x: Value, shape: Shape): Value {
  return apply(reshapeOp, { x }, { shape })
}
export const reshapeOp = op<'x', { shape: Shape }>('reshape', {
  infer({ x }, { shape }) {
    demand(sizeOf(x.shape) === sizeOf(shape), () => `reshape: as many numbers as before expected, got ${show(x)} to [${shape}]`)
    return { dtype: x.dtype, shape }
  },
  eval: ({ x }, { shape }) => ({ ...x, shape }),
  grad: ({ dy, x }) => ({ x: reshape(dy, x.shape) }),
  onnx: ({ g, x }, { shape }) => g.node('Reshape', [x, g.i64(shape)]),
  samples: (rng) => [
    { x: rng.f32([2, 6]), attrs: { shape: [3, 1, 4] } },
    { x: rng.f32([1]), attrs: { shape: [] } },
  ],
})

/** Reorders axes: axis i of the result is axis perm[i] of x. Without perm, the last two are swapped. */
export function transpose(x: Value, perm: readonly number[] = swapLast(x.shape.length)): Value {
  return apply(transposeOp, { x }, { perm })
}
export const transposeOp = op<'x', { perm: readonly number[] }>('transpose', {
  infer({ x }, { perm }) {
    const ok = perm.length === x.shape.length && perm.toSorted((a, b) => a - b).every((axis, i) => axis === i)
    demand(ok, () => `transpose: perm must name each of ${x.shape.length} axes once, got [${perm}] for ${show(x)}`)
    return { dtype: x.dtype, shape: perm.map((axis) => x.shape[axis]!) }
  },
  eval({ x }, { perm }) {
    const shape = perm.map((axis) => x.shape[axis]!)
    const strides = x.shape.map((_, axis) => sizeOf(x.shape.slice(axis + 1)))
    const data = x.data.slice()
    for (let i = 0; i < data.length; i++) {
      let rest = i
      let at = 0
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        at += (rest % shape[axis]!) * strides[perm[axis]!]!
        rest = Math.floor(rest / shape[axis]!)
      }
      data[i] = x.data[at]!
    }
    return { ...x, shape, data }
  },
  grad: ({ dy }, { perm }) => ({
    x: transpose(
      dy,
      perm.map((_, axis) => perm.indexOf(axis)),
    ),
  }),
  onnx: ({ g, x }, { perm }) => g.node('Transpose', [x], { perm }),
  samples: (rng) => [
    { x: rng.f32([2, 3]), attrs: { perm: [1, 0] } },
    { x: rng.f32([2, 3, 4]), attrs: { perm: [2, 0, 1] } },
  ],
})

/** Repeats axes of 1, and puts new ones in front, until the shape is reached. */
export function broadcastTo(x: Value, shape: Shape): Value {
  return apply(broadcastToOp, { x }, { shape })
}
export const broadcastToOp = op<'x', { shape: Shape }>('broadcastTo', {
  infer({ x }, { shape }) {
    const lead = shape.length - x.shape.length
    const ok = lead >= 0 && x.shape.every((n, i) => n === 1 || n === shape[i + lead])
    demand(ok, () => `broadcastTo: axes must agree or be 1, got ${show(x)} to [${shape}]`)
    return { dtype: x.dtype, shape }
  },
  eval({ x }, { shape }) {
    const at = broadcastIndex(x.shape, shape)
    return { ...x, shape, data: Float64Array.from({ length: sizeOf(shape) }, (_, i) => x.data[at(i)]!) }
  },
  grad: ({ dy, x }) => ({ x: sumTo(dy, x.shape) }),
  onnx: ({ g, x }, { shape }) => g.node('Expand', [x, g.i64(shape)]),
  samples: (rng) => [
    { x: rng.f32([3, 1]), attrs: { shape: [2, 3, 4] } },
    { x: rng.f32([]), attrs: { shape: [2] } },
  ],
})

/** Entries start ≤ i < end along one axis. */
export function slice(x: Value, axis: number, start: number, end: number): Value {
  return apply(sliceOp, { x }, { axis: axis < 0 ? axis + x.shape.length : axis, start, end })
}
export const sliceOp = op<'x', { axis: number; start: number; end: number }>('slice', {
  infer({ x }, { axis, start, end }) {
    const n = x.shape[axis] ?? -1
    demand(
      0 <= start && start <= end && end <= n,
      () => `slice: 0 ≤ start ≤ end ≤ ${n} expected on axis ${axis}, got ${start} and ${end} for ${show(x)}`,
    )
    return { dtype: x.dtype, shape: x.shape.with(axis, end - start) }
  },
  eval: ({ x }, { axis, start, end }) => moved(x, x.shape.with(axis, end - start), axis, start),
  grad: ({ dy, x }, { axis, start, end }) => ({ x: pad(dy, axis, start, x.shape[axis]! - end) }),
  onnx: ({ g, x }, { axis, start, end }) => g.node('Slice', [x, g.i64([start]), g.i64([end]), g.i64([axis])]),
  samples: (rng) => [
    { x: rng.f32([2, 5]), attrs: { axis: 1, start: 1, end: 3 } },
    { x: rng.f32([4, 2]), attrs: { axis: 0, start: 0, end: 1 } },
  ],
})

/** Zeros before and after along one axis: the transpose of slice. */
export function pad(x: Value, axis: number, before: number, after: number): Value {
  return apply(padOp, { x }, { axis: axis < 0 ? axis + x.shape.length : axis, before, after })
}
export const padOp = op<'x', { axis: number; before: number; after: number }>('pad', {
  infer({ x }, { axis, before, after }) {
    demand(
      axis < x.shape.length && before >= 0 && after >= 0,
      () => `pad: an axis of ${show(x)} and counts ≥ 0 expected, got ${axis}, ${before}, ${after}`,
    )
    return { dtype: x.dtype, shape: x.shape.with(axis, x.shape[axis]! + before + after) }
  },
  eval: ({ x }, { axis, before, after }) => moved(x, x.shape.with(axis, x.shape[axis]! + before + after), axis, -before),
  grad: ({ dy, x }, { axis, before }) => ({ x: slice(dy, axis, before, before + x.shape[axis]!) }),
  onnx({ g, x }, { axis, before, after }, types) {
    // Every axis is named: ONNX Runtime 1.30 moves a transpose past the short form of Pad wrongly.
    const zeros = types.x.shape.map(() => 0)
    return g.node('Pad', [x, g.i64([...zeros.with(axis, before), ...zeros.with(axis, after)]), g.f32(0)])
  },
  samples: (rng) => [
    { x: rng.f32([2, 3]), attrs: { axis: 1, before: 2, after: 1 } },
    { x: rng.f32([2, 3]), attrs: { axis: 0, before: 0, after: 2 } },
  ],
})

/** Joins tensors along one axis. */
export function concat(parts: readonly Value[], axis: number): Value {
  const at = axis < 0 ? axis + parts[0]!.shape.length : axis
  return apply(concatOp, Object.fromEntries(parts.map((part, i) => [`p${i}`, part])), { axis: at })
}
export const concatOp = op<string, { axis: number }>('concat', {
  infer(inputs, { axis }) {
    const parts = Object.values(inputs)
    const [first] = parts
    const fits = parts.every((part) => part.dtype === first!.dtype && sameShape(part.shape.with(axis, 1), first!.shape.with(axis, 1)))
    demand(fits, () => `concat: all axes but ${axis} must agree, got ${parts.map(show).join(', ')}`)
    return {
      dtype: first!.dtype,
      shape: first!.shape.with(
        axis,
        parts.reduce((n, part) => n + part.shape[axis]!, 0),
      ),
    }
  },
  eval(inputs, { axis }) {
    const parts = Object.values(inputs)
    const shape = parts[0]!.shape.with(
      axis,
      parts.reduce((n, part) => n + part.shape[axis]!, 0),
    )
    const data = new Float64Array(sizeOf(shape))
    let start = 0
    for (const part of parts) {
      moved(part, shape, axis, -start).data.forEach((v, i) => {
        data[i]! += v
      })
      start += part.shape[axis]!
    }
    return { dtype: parts[0]!.dtype, shape, data }
  },
  grad({ dy, y: _, ...parts }, { axis }) {
    let start = 0
    return Object.fromEntries(
      Object.entries(parts).map(([name, part]) => {
        const end = start + part.shape[axis]!
        const piece = slice(dy, axis, start, end)
        start = end
        return [name, piece]
      }),
    )
  },
  onnx: ({ g, ...parts }, { axis }) => g.node('Concat', Object.values(parts as Record<string, string>), { axis }),
  samples: (rng) => [
    { p0: rng.f32([2, 3]), p1: rng.f32([2, 1]), attrs: { axis: 1 } } as never,
    { p0: rng.f32([1, 2]), p1: rng.f32([2, 2]), p2: rng.f32([1, 2]), attrs: { axis: 0 } } as never,
  ],
})

/** x seen through another length of one axis, shifted by offset; what lies outside x is zero. */
function moved(x: Tensor, shape: Shape, axis: number, offset: number): Tensor {
  const inner = sizeOf(shape.slice(axis + 1))
  const n = shape[axis]!
  const from = x.shape[axis]!
  const data = Float64Array.from({ length: sizeOf(shape) }, (_, i) => {
    const j = (Math.floor(i / inner) % n) + offset
    if (j < 0 || j >= from) return 0
    return x.data[(Math.floor(i / (inner * n)) * from + j) * inner + (i % inner)]!
  })
  return { dtype: x.dtype, shape, data }
}

function swapLast(rank: number): number[] {
  const perm = Array.from({ length: rank }, (_, i) => i)
  return [...perm.slice(0, -2), rank - 1, rank - 2]
}
