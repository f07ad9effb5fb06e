import { demand } from '../errors.ts'
import { sameShape, show } from '../tensor.ts'
import { apply, op, type Value } from '../value.ts'

/** x as it is, but a constant to every gradient. */
export function stopGradient(x: Value): Value {
  return apply(stopGradientOp, { x })
}
export const stopGradientOp = op<'x'>('stopGradient', {
  infer: ({ x }) => ({ dtype: x.dtype, shape: x.shape }),
  eval: ({ x }) => x,
  grad: () => ({}),
  onnx: ({ x }) => x,
  samples: (rng) => [{ x: rng.f32([2, 3]) }],
  mark: 'stop: the gradient is zero by declaration',
})

/**
 * Is y in the forward pass and x in the backward pass: a gradient for something that has none, such as a rounding.
 *
 * shape   x f32[…s], y f32[…s] → f32[…s]
 * source  Bengio et al. 2013, arXiv:1308.3432
 */
export function straightThrough(x: Value, y: Value): Value {
  return apply(straightThroughOp, { x, target: y })
}
export const straightThroughOp = op<'x' | 'target'>('straightThrough', {
  infer({ x, target }) {
    demand(sameShape(x.shape, target.shape), () => `straightThrough: two equal shapes expected, got ${show(x)} and ${show(target)}`)
    return { dtype: x.dtype, shape: x.shape }
  },
  eval: ({ target }) => target,
  grad: ({ dy }) => ({ x: dy }),
  onnx: ({ target }) => target,
  samples: (rng) => [{ x: rng.f32([2, 3]), target: rng.f32([2, 3]) }],
  mark: 'straight-through: the gradient is that of another value',
})

/**
 * Gives a value a stable name (`blocks.3.attn.pattern`), the same in graphs, files, logs and the studio. It costs nothing when run.
 * Whoever builds a model passes a function of this form, so that a value can also be replaced on its way.
 */
export function tap(name: string, x: Value): Value {
  return apply(tapOp, { x }, { name })
}
export type Tap = typeof tap
export const tapOp = op<'x', { name: string }>('tap', {
  infer: ({ x }) => ({ dtype: x.dtype, shape: x.shape }),
  eval: ({ x }) => x,
  grad: ({ dy }) => ({ x: dy }),
  onnx: ({ x }) => x,
  samples: (rng) => [{ x: rng.f32([2, 3]), attrs: { name: 'blocks.0.out' } }],
})

/** What a composite is: its name, which of its results y is, and numbers that belong to it. Plain data. */
export interface Known {
  readonly name: string
  readonly result: string
  readonly [number: string]: number | string
}

/**
 * Is y, and says of what y is made: an engine that has one kernel for it computes it from the parts, every other runs y as it was traced.
 * All results of a composite name the same parts.
 */
export function composite(known: Known, y: Value, parts: Readonly<Record<string, Value>>): Value {
  return apply(compositeOp, { x: y, ...parts }, { ...known })
}
export const compositeOp = op<'x'>('composite', {
  infer: ({ x }) => ({ dtype: x.dtype, shape: x.shape }),
  eval: ({ x }) => x,
  grad: ({ dy }) => ({ x: dy }),
  onnx: ({ x }) => x,
  samples: (rng) => [{ x: rng.f32([2, 3]), attrs: { name: 'twice', result: 'y' } }],
})
