import { demand } from './errors.ts'
import { addOp, mulOp } from './ops/elementwise.ts'
import { input } from './ops/leaf.ts'
import { broadcastTo, reshape, slice } from './ops/shape.ts'
import { sameShape, show } from './tensor.ts'
import { ancestors, apply, type Graph, graph, Value } from './value.ts'

export interface SplitOptions {
  /** Names of inputs that change from run to run. */
  readonly late: readonly string[]
  /** Names of inputs that stay, whose values are worth keeping: what is computed from them and read by what is late. */
  readonly early: readonly string[]
  /** How many equal rows the first axis of what is kept has. One of them is kept. */
  readonly rows: number
}

/** A graph in two. What the first returns, `kept.0`, `kept.1` …, the second reads under the same names. */
export interface Split {
  readonly first: Graph
  readonly second: Graph
}

/**
 * Splits a graph into what some inputs do not change and what they do, so that the first is computed once for many runs of the second: of many
 * gradients of one forward pass, the forward pass. Products of what arrives with several kept values are made products with one.
 *
 * limits  all rows of the early inputs are equal; numbers are those of the graph but for the order of products and sums
 * throws  ShapeError for a value to keep whose first axis is no multiple of the rows
 */
export function splitGraph(whole: Graph, { late, early, rows }: SplitOptions): Split {
  const isLate = reachedFrom(late.map((name) => whole.inputs[name]!))
  const isEarly = reachedFrom(early.map((name) => whole.inputs[name]!))
  const kept = new Map<Value, Value>()
  const keep = (value: Value): Value => {
    const { shape, dtype } = value
    demand(
      shape.length > 0 && shape[0]! % rows === 0,
      () => `splitGraph: a first axis of ${rows} rows expected, got ${show(value)} to keep`,
    )
    const one = input(`kept.${kept.size}`, shape.with(0, shape[0]! / rows), dtype)
    kept.set(value, one)
    return one
  }
  const copies = new Map<Value, Value>()
  for (const value of ancestors(Object.values(whole.outputs))) {
    if (!isLate(value)) continue
    const inputs = Object.fromEntries(Object.entries(value.inputs).map(([name, from]) => [name, copies.get(from) ?? from]))
    copies.set(value, value.op.name === 'input' ? value : factored(new Value(value.op, inputs, value.attrs, value), isLate))
  }
  const outputs = Object.entries(whole.outputs).map(([name, value]) => [name, copies.get(value) ?? value] as const)
  const again = new Map<Value, Value>()
  for (const value of ancestors(outputs.map(([, value]) => value))) {
    if (value.op.name === 'input' || (!isLate(value) && isEarly(value))) continue
    const inputs = Object.fromEntries(
      Object.entries(value.inputs).map(([name, from]) => {
        const stays = isLate(value) && !isLate(from) && isEarly(from)
        return [name, stays ? repeated(kept.get(from) ?? keep(from), from) : (again.get(from) ?? from)]
      }),
    )
    again.set(value, apply(value.op, inputs, value.attrs))
  }
  const second = outputs.map(([name, value]) => [name, again.get(value) ?? value] as const)
  const first = [...kept].map(([value, one]) => [String(one.attrs.name), slice(value, 0, 0, one.shape[0]!)] as const)
  return { first: closed(whole, first, []), second: closed(whole, second, [...kept.values()]) }

  /** The value kept, as many rows as it had. */
  function repeated(one: Value, { shape }: Value): Value {
    if (sameShape(one.shape, shape)) return one
    const each = [1, ...one.shape]
    return one.shape[0] === 1 ? broadcastTo(one, shape) : reshape(broadcastTo(reshape(one, each), each.with(0, rows)), shape)
  }
}

/** Whether a value is computed from any of these. */
function reachedFrom(roots: readonly Value[]): (value: Value) => boolean {
  const known = new Map<Value, boolean>(roots.map((root) => [root, true]))
  return function reached(value: Value): boolean {
    const before = known.get(value)
    if (before !== undefined) return before
    const found = Object.values(value.inputs).map(reached).includes(true)
    known.set(value, found)
    return found
  }
}

/** (g·a)·b as g·(a·b), and g·a + g·b as g·(a + b), where g is late and a and b are not. */
function factored(value: Value, isLate: (value: Value) => boolean): Value {
  if (value.op === addOp) {
    const [a, b] = [lateFactor(value.inputs.a!, isLate), lateFactor(value.inputs.b!, isLate)]
    return a && b && a.late === b.late ? a.late.mul(a.other.add(b.other)) : value
  }
  const outer = lateFactor(value, isLate)
  const inner = outer && lateFactor(outer.late, isLate)
  return inner ? inner.late.mul(inner.other.mul(outer.other)) : value
}

/** The two factors of a product of which one is late. */
function lateFactor({ op, inputs }: Value, isLate: (value: Value) => boolean): { late: Value; other: Value } | undefined {
  if (op !== mulOp) return undefined
  const { a, b } = inputs as { a: Value; b: Value }
  if (isLate(a) === isLate(b)) return undefined
  return isLate(a) ? { late: a, other: b } : { late: b, other: a }
}

/** A graph with those inputs that it reads. */
function closed(whole: Graph, outputs: readonly (readonly [string, Value])[], more: readonly Value[]): Graph {
  const read = new Set(ancestors(outputs.map(([, value]) => value)))
  const inputs = [...Object.entries(whole.inputs), ...more.map((one) => [String(one.attrs.name), one] as const)]
  return graph(Object.fromEntries(inputs.filter(([, value]) => read.has(value))), Object.fromEntries(outputs))
}
