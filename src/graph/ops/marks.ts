import { demand } from '../errors.ts'
import { sameShape, show } from '../tensor.ts'
import { apply, type Op, op, type Value } from '../value.ts'

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
 * The value of y with a gradient of its own: `backward` gets what arrives (dy), y and the parts, and says what each part receives. What
 * backward does not name gets none, and nothing flows into y as it was computed. gradientMarks lists it.
 *
 * grad    what backward returns, built from ops, so that it differentiates again
 * throws  ShapeError when a part is called y or dy; when differentiated, if what backward returns for a part has not its shape
 */
export function withGradient<K extends string>(
  y: Value,
  parts: Readonly<Record<K, Value>>,
  backward: (context: { readonly dy: Value; readonly y: Value } & { readonly [name in K]: Value }) => { readonly [name in K]?: Value },
): Value {
  const names = Object.keys(parts)
  demand(!names.some((name) => name === 'y' || name === 'dy'), () => `withGradient: parts named other than y and dy expected, got ${names}`)
  return apply(withGradientOp(backward as never), { ...parts, y })
}

/** The op of one call of withGradient. */
function withGradientOp(backward: (context: Readonly<Record<string, Value>>) => Readonly<Record<string, Value>>): Op {
  return op<string>('withGradient', {
    infer: ({ y }) => ({ dtype: y!.dtype, shape: y!.shape }),
    eval: ({ y }) => y!,
    grad(context) {
      const slopes = backward(context)
      for (const [name, slope] of Object.entries(slopes)) {
        const part = name === 'y' || name === 'dy' ? undefined : context[name]
        demand(
          part !== undefined && sameShape(slope.shape, part.shape),
          () =>
            `withGradient: backward must return the shape of a part, got ${name} ${show(slope)}${part ? ` for ${show(part)}` : ', which is none'}`,
        )
      }
      return slopes
    },
    onnx: ({ y }) => y!,
    samples: (rng) => [{ a: rng.f32([2, 3]), y: rng.f32([2, 3]) }],
    mark: 'declared: the gradient is what was written for this value',
  })
}

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
