import { demand } from '../errors.ts'
import { type Shape, show, sizeOf, type Tensor, type Type } from '../tensor.ts'
import { apply, binary, type Op, type OpRules, op, type Value } from '../value.ts'
import { sum } from './reduce.ts'
import { reshape } from './shape.ts'

// Every op here works entry by entry. Two inputs broadcast as in NumPy: axes are aligned at the end, an axis of 1 repeats.

export const addOp = elementwise2(
  'add',
  'Add',
  (a, b) => a + b,
  ({ dy }) => ({ a: dy, b: dy }),
)
export const subOp = elementwise2(
  'sub',
  'Sub',
  (a, b) => a - b,
  ({ dy }) => ({ a: dy, b: dy.neg() }),
)
export const mulOp = elementwise2(
  'mul',
  'Mul',
  (a, b) => a * b,
  // A square has one gradient, not two to add up.
  ({ dy, a, b }) => (a === b ? { a: dy.mul(2).mul(a) } : { a: dy.mul(b), b: dy.mul(a) }),
)
export const divOp = elementwise2(
  'div',
  'Div',
  (a, b) => a / b,
  ({ dy, y, b }) => ({ a: dy.div(b), b: dy.mul(y).div(b).neg() }),
  [0.5, 2],
)

/** The larger of two numbers; where they are equal, each gets half of the gradient. */
export function maximum(a: Value, b: Value | number): Value {
  return binary(maximumOp, a, b)
}
export const maximumOp = elementwise2('maximum', 'Max', Math.max, ({ dy, a, b }) => ({
  a: dy.mul(step(a.sub(b))),
  b: dy.mul(step(b.sub(a))),
}))

/** The smaller of two numbers; where they are equal, each gets half of the gradient. */
export function minimum(a: Value, b: Value | number): Value {
  return binary(minimumOp, a, b)
}
export const minimumOp = elementwise2('minimum', 'Min', Math.min, ({ dy, a, b }) => ({
  a: dy.mul(step(b.sub(a))),
  b: dy.mul(step(a.sub(b))),
}))

export const negOp = elementwise1(
  'neg',
  (x) => -x,
  ({ dy }) => dy.neg(),
  ({ g, x }) => g.node('Neg', [x]),
)

/** e^x. */
export function exp(x: Value): Value {
  return apply(expOp, { x })
}
export const expOp = elementwise1(
  'exp',
  Math.exp,
  ({ dy, y }) => dy.mul(y),
  ({ g, x }) => g.node('Exp', [x]),
)

/** Natural logarithm. */
export function log(x: Value): Value {
  return apply(logOp, { x })
}
export const logOp = elementwise1(
  'log',
  Math.log,
  ({ dy, x }) => dy.div(x),
  ({ g, x }) => g.node('Log', [x]),
  [0.2, 3],
)

/** √x, for x > 0: its gradient at 0 is infinite. */
export function sqrt(x: Value): Value {
  return apply(sqrtOp, { x })
}
export const sqrtOp = elementwise1(
  'sqrt',
  Math.sqrt,
  ({ dy, y }) => dy.div(y).mul(0.5),
  ({ g, x }) => g.node('Sqrt', [x]),
  [0.2, 3],
)

/** σ(x) = 1 / (1 + e^−x). */
export function sigmoid(x: Value): Value {
  return apply(sigmoidOp, { x })
}
export const sigmoidOp = elementwise1(
  'sigmoid',
  (x) => 1 / (1 + Math.exp(-x)),
  ({ dy, y }) => dy.mul(y.mul(y.neg().add(1))),
  ({ g, x }) => g.node('Sigmoid', [x]),
)

/**
 * log σ(x), exact far from 0 on both sides: min(x, 0) − log(1 + e^−|x|).
 *
 * limits  ONNX Runtime's CPU Softplus loses everything beyond x ≈ 17 in f32, so it is not used
 */
export function logSigmoid(x: Value): Value {
  return apply(logSigmoidOp, { x })
}
export const logSigmoidOp = elementwise1(
  'logSigmoid',
  (x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x))),
  ({ dy, x }) => dy.mul(sigmoid(x.neg())),
  ({ g, x }) => {
    const tail = g.node('Log', [g.node('Add', [g.f32(1), g.node('Exp', [g.node('Neg', [g.node('Abs', [x])])])])])
    return g.node('Sub', [g.node('Min', [x, g.f32(0)]), tail])
  },
  [-30, 30],
)

/** Hyperbolic tangent. */
export function tanh(x: Value): Value {
  return apply(tanhOp, { x })
}
export const tanhOp = elementwise1(
  'tanh',
  Math.tanh,
  ({ dy, y }) => dy.mul(y.mul(y).neg().add(1)),
  ({ g, x }) => g.node('Tanh', [x]),
)

/** The error function, 2/√π · ∫₀ˣ e^−t² dt. */
export function erf(x: Value): Value {
  return apply(erfOp, { x })
}
export const erfOp = elementwise1(
  'erf',
  erfOf,
  ({ dy, x }) => dy.mul(exp(x.mul(x).neg()).mul(2 / Math.sqrt(Math.PI))),
  ({ g, x }) => g.node('Erf', [x]),
)

/**
 * erf of a number, by a series whose terms are all of one sign.
 *
 * source  DLMF 7.6.2
 */
function erfOf(x: number): number {
  if (!(Math.abs(x) < 6)) return Math.sign(x)
  let [term, total] = [x, x]
  for (let n = 1; Math.abs(term) > Math.abs(total) * 1e-17; n++) total += term *= (2 * x * x) / (2 * n + 1)
  return ((2 * total) / Math.sqrt(Math.PI)) * Math.exp(-x * x)
}

/** |x|; its gradient at 0 is 0. */
export function abs(x: Value): Value {
  return maximum(x, x.neg())
}

/** x · σ(x), the activation of Llama's MLP. */
export function silu(x: Value): Value {
  return x.mul(sigmoid(x))
}

/**
 * x · Φ(x), with Φ the normal distribution function.
 *
 * source  Hendrycks & Gimpel 2016, arXiv:1606.08415
 */
export function gelu(x: Value): Value {
  return x.mul(erf(x.mul(Math.SQRT1_2)).add(1)).mul(0.5)
}

/** GELU by a hyperbolic tangent, as GPT-2 and Gemma compute it; within 5e-4 of the exact one. */
export function geluTanh(x: Value): Value {
  const inner = x
    .mul(x)
    .mul(0.044715)
    .add(1)
    .mul(x)
    .mul(Math.sqrt(2 / Math.PI))
  return x.mul(tanh(inner).add(1)).mul(0.5)
}

/**
 * 1 where x > 0, ½ where x = 0, 0 elsewhere: a hard threshold, through which no gradient passes.
 * It is the derivative of maximum and minimum, and marked because a loss behind it has a cliff that its gradient does not see.
 */
export function step(x: Value): Value {
  return apply(stepOp, { x })
}
export const stepOp = op<'x'>('step', {
  infer: ({ x }) => demandF32('step', x),
  eval: ({ x }) => mapped(x, (v) => (Math.sign(v) + 1) / 2),
  grad: () => ({}),
  onnx: ({ g, x }) => g.node('Mul', [g.node('Add', [g.node('Sign', [x]), g.f32(1)]), g.f32(0.5)]),
  samples: (rng) => [{ x: rng.f32([3, 4]) }],
  mark: 'hard threshold: the gradient is zero, the jump is not seen',
})

function elementwise1(
  name: string,
  f: (x: number) => number,
  grad: (context: { dy: Value; x: Value; y: Value }) => Value,
  onnx: OpRules<'x', Record<string, never>>['onnx'],
  [low, high]: [number, number] = [-2, 2],
): Op {
  return op<'x', Record<string, never>>(name, {
    infer: ({ x }) => demandF32(name, x),
    eval: ({ x }) => mapped(x, f),
    grad: (context) => ({ x: grad(context) }),
    onnx,
    samples: (rng) => [{ x: rng.f32([2, 5], low, high) }, { x: rng.f32([], low, high) }],
  })
}

function elementwise2(
  name: string,
  opType: string,
  f: (a: number, b: number) => number,
  grad: (context: { dy: Value; a: Value; b: Value; y: Value }) => { a: Value; b?: Value },
  [low, high]: [number, number] = [-2, 2],
): Op {
  return op<'a' | 'b'>(name, {
    infer({ a, b }) {
      demand(a.dtype === 'f32' && b.dtype === 'f32', () => `${name}: both sides must be f32, got ${show(a)} and ${show(b)}`)
      return { dtype: 'f32', shape: broadcastShape(name, a, b) }
    },
    eval({ a, b }) {
      const shape = broadcastShape(name, a, b)
      const ia = broadcastIndex(a.shape, shape)
      const ib = broadcastIndex(b.shape, shape)
      return { dtype: 'f32', shape, data: Float64Array.from({ length: sizeOf(shape) }, (_, i) => f(a.data[ia(i)]!, b.data[ib(i)]!)) }
    },
    grad(context) {
      const { a, b } = grad(context)
      return { a: sumTo(a, context.a.shape), ...(b ? { b: sumTo(b, context.b.shape) } : {}) }
    },
    onnx: ({ g, a, b }) => g.node(opType, [a, b]),
    samples: (rng) => [
      { a: rng.f32([2, 3], low, high), b: rng.f32([2, 3], low, high) },
      { a: rng.f32([4, 1, 3], low, high), b: rng.f32([2, 1], low, high) },
      { a: rng.f32([], low, high), b: rng.f32([3], low, high) },
    ],
  })
}

function demandF32(name: string, x: Type): Type {
  demand(x.dtype === 'f32', () => `${name}: f32 expected, got ${show(x)}`)
  return { dtype: 'f32', shape: x.shape }
}

function mapped(x: Tensor, f: (v: number) => number): Tensor {
  return { dtype: 'f32', shape: x.shape, data: Float64Array.from(x.data, f) }
}

/** Sums a gradient over the axes that broadcasting added or repeated. */
export function sumTo(x: Value, shape: Shape): Value {
  const lead = x.shape.length - shape.length
  const axes = x.shape.map((_, i) => i).filter((i) => i < lead || (shape[i - lead] === 1 && x.shape[i] !== 1))
  return axes.length === 0 ? x : reshape(sum(x, axes), shape)
}

function broadcastShape(name: string, a: Type, b: Type): Shape {
  const rank = Math.max(a.shape.length, b.shape.length)
  return Array.from({ length: rank }, (_, i) => {
    const m = a.shape[i - rank + a.shape.length] ?? 1
    const n = b.shape[i - rank + b.shape.length] ?? 1
    demand(m === n || m === 1 || n === 1, () => `${name}: axes must agree or be 1, got ${show(a)} and ${show(b)}`)
    return m === 1 ? n : m
  })
}

/** For a flat position in the broadcast shape, the flat position in the smaller one. */
export function broadcastIndex(from: Shape, to: Shape): (i: number) => number {
  const lead = to.length - from.length
  const strides: number[] = new Array(to.length).fill(0)
  let stride = 1
  for (let axis = from.length - 1; axis >= 0; axis--) {
    if (from[axis] !== 1) strides[axis + lead] = stride
    stride *= from[axis]!
  }
  return (i) => {
    let rest = i
    let at = 0
    for (let axis = to.length - 1; axis >= 0; axis--) {
      const n = to[axis]!
      at += (rest % n) * strides[axis]!
      rest = Math.floor(rest / n)
    }
    return at
  }
}
