import { demand } from './errors.ts'
import { constant, zerosLike } from './ops/leaf.ts'
import { sum } from './ops/reduce.ts'
import { leaves, type Nested, sameShape, show } from './tensor.ts'
import { ancestors, type Graph, isValue, mapNested, type Value } from './value.ts'

/**
 * The gradient of a scalar with respect to any values, built from ordinary ops: it can be printed, lowered and differentiated again.
 * Only nodes between `wrt` and y are visited, so what is frozen costs nothing. Of an input that no gradient reaches it is zero; `unreached`
 * lists those.
 *
 * shape   y f32[]; the result has the form of `wrt`, each leaf the shape of the value it belongs to
 * throws  ShapeError when y is not a scalar and no dy is given, or when y is not computed from a value of `wrt` that is no input
 */
export function gradient<N extends Nested<Value>>(y: Value, wrt: N, dy: Value = constant(1)): N {
  demand(sameShape(y.shape, dy.shape), () => `gradient: a scalar, or a dy of its shape, expected, got ${show(y)} and dy ${show(dy)}`)
  const order = new Set(ancestors([y]))
  for (const [name, value] of leaves<Value>(wrt, isValue)) {
    demand(
      value.op.name === 'input' || order.has(value),
      () =>
        `gradient: y must be computed from each value of wrt, got ${name && `${name}, `}${value.op.name} ${show(value)}, which y does not read; name the value that y reads`,
    )
  }
  return slopes(y, wrt, dy)
}

/**
 * Where in `wrt` the gradient of y is zero because none arrives: y does not read the value, or reads it only through what passes no
 * gradient on, such as a stopGradient.
 */
export function unreached(y: Value, wrt: Nested<Value>): string[] {
  const total = walkBack(y, wrt, constant(1, y.shape))
  return leaves<Value>(wrt, isValue).flatMap(([name, value]) => (total.has(value) ? [] : [name]))
}

/** The gradient, which is zero of every value that none reaches. */
function slopes<N extends Nested<Value>>(y: Value, wrt: N, dy: Value): N {
  const total = walkBack(y, wrt, dy)
  const result = mapNested<Value, Value>(wrt, isValue, (value) => total.get(value) ?? zerosLike(value)) as N
  const there = new Set(ancestors([y, dy]))
  for (const value of ancestors(leaves<Value>(result, isValue).map(([, slope]) => slope))) if (!there.has(value)) made.add(value)
  return result
}

/** What arrives at each value between `wrt` and y. */
function walkBack(y: Value, wrt: Nested<Value>, dy: Value): ReadonlyMap<Value, Value> {
  const targets = new Set(leaves<Value>(wrt, isValue).map(([, value]) => value))
  const order = ancestors([y])
  const leads = new Set<Value>()
  for (const value of order) if (targets.has(value) || Object.values(value.inputs).some((input) => leads.has(input))) leads.add(value)

  const total = new Map<Value, Value>([[y, dy]])
  for (const value of order.toReversed()) {
    const upstream = total.get(value)
    if (!upstream || !leads.has(value) || !value.op.grad) continue
    const parts = value.op.grad({ ...value.inputs, dy: upstream, y: value } as never, value.attrs)
    for (const [name, part] of Object.entries(parts)) {
      const input = value.inputs[name]!
      if (!part || !leads.has(input)) continue
      const before = total.get(input)
      total.set(input, before ? before.add(part) : part)
    }
  }
  return total
}

/** Whether a value was made by `gradient`, and not by whoever wrote the forward pass. */
export function madeByGradient(value: Value): boolean {
  return made.has(value)
}
const made = new WeakSet<Value>()

/**
 * H·v for the Hessian H of a scalar, without building H: the gradient of (gradient · v). Zero where the scalar is linear.
 *
 * shape   v has the form and shapes of `wrt`, and so has the result
 * throws  ShapeError as gradient, or when v has another form
 */
export function hessianVectorProduct<N extends Nested<Value>>(y: Value, wrt: N, v: N): N {
  const first = leaves<Value>(gradient(y, wrt), isValue)
  const directions = new Map(leaves<Value>(v, isValue))
  const along = first.map(([name, slope]) => {
    const direction = directions.get(name)
    demand(
      direction !== undefined && sameShape(direction.shape, slope.shape),
      () => `hessianVectorProduct: v must have the form of wrt, got ${direction ? show(direction) : 'nothing'} for ${name} ${show(slope)}`,
    )
    return sum(slope.mul(direction))
  })
  return slopes(
    along.reduce((a, b) => a.add(b)),
    wrt,
    constant(1),
  )
}

/** A place in a graph where the gradient that is used is not the derivative of what is computed. */
export interface GradientMark {
  readonly value: Value
  readonly op: string
  readonly why: string
}

/** Every place in a graph whose gradient is declared, not derived: its blind spots, found without running anything. */
export function gradientMarks(graph: Graph): GradientMark[] {
  return ancestors(Object.values(graph.outputs)).flatMap((value) =>
    value.op.mark ? [{ value, op: value.op.name, why: value.op.mark }] : [],
  )
}
