import { demand } from './errors.ts'
import { addOp, divOp, mulOp, negOp, subOp } from './ops/elementwise.ts'
import { constant } from './ops/leaf.ts'
import { type DType, type Nested, type Shape, show, type Tensor, type Type } from './tensor.ts'

/** What an op knows beyond its inputs: axes, shapes, names. Plain data, so that a graph can be hashed and printed. */
export type Attrs = Readonly<Record<string, unknown>>

type Named<K extends string, T> = { readonly [name in K]: T }

/** The side of an ONNX graph builder that an op's lowering sees; names of ONNX values are strings. */
export interface Lowering {
  node(opType: string, inputs: readonly string[], attrs?: Attrs): string
  /** Several outputs of one node, in ONNX's order. */
  nodes(opType: string, inputs: readonly string[], outputs: number, attrs?: Attrs): string[]
  i64(values: readonly number[]): string
  f32(value: number): string
  weights(tensor: Tensor): string
}

/** Inputs for one row of the table test, with the op's attrs where it has some. */
export type OpSample<K extends string, A extends Attrs> = Named<K, Tensor> & { readonly attrs?: A }

/** Everything about a primitive in one place. A missing key in what `grad` returns means: no gradient flows there. */
export interface OpRules<K extends string, A extends Attrs> {
  infer(inputs: Named<K, Type>, attrs: A): Type
  /** The definition: f64 in, f64 out. Every other rule is tested against it. */
  eval(inputs: Named<K, Tensor>, attrs: A): Tensor
  grad?(context: Named<K, Value> & { readonly dy: Value; readonly y: Value }, attrs: A): Partial<Named<K, Value>>
  onnx(context: Named<K, string> & { readonly g: Lowering }, attrs: A, types: Named<K, Type> & { readonly y: Type }): string
  samples(rng: SampleRng): OpSample<K, A>[]
  /** Why the declared gradient is not the derivative of `eval`; `gradientMarks` lists every place that has one. */
  readonly mark?: string
  /** Largest difference between ONNX Runtime (f32) and `eval` (f64) on the samples, relative to 1 + |value|. */
  readonly tolerance?: number
}

export interface Op extends OpRules<string, Attrs> {
  readonly name: string
}

/** Random inputs for an op's samples. */
export interface SampleRng {
  f32(shape: Shape, low?: number, high?: number): Tensor
  index(shape: Shape, below: number): Tensor
}

/** Defines a primitive. The plain function that applies it carries the documentation. */
export function op<K extends string, A extends Attrs = Attrs>(name: string, rules: OpRules<K, A>): Op {
  return { name, ...(rules as unknown as OpRules<string, Attrs>) }
}

let born = 0

/** A traced node: op, inputs, dtype, shape. Immutable; what it is worth is known only when an engine or the evaluator runs it. */
export class Value implements Type {
  /** Order of creation: inputs are always older than what uses them. */
  readonly id = born++
  readonly op: Op
  readonly inputs: Readonly<Record<string, Value>>
  readonly attrs: Attrs
  readonly dtype: DType
  readonly shape: Shape

  constructor(op: Op, inputs: Readonly<Record<string, Value>>, attrs: Attrs, type: Type) {
    this.op = op
    this.inputs = inputs
    this.attrs = attrs
    this.dtype = type.dtype
    this.shape = type.shape
  }

  add(other: Value | number): Value {
    return binary(addOp, this, other)
  }
  sub(other: Value | number): Value {
    return binary(subOp, this, other)
  }
  mul(other: Value | number): Value {
    return binary(mulOp, this, other)
  }
  div(other: Value | number): Value {
    return binary(divOp, this, other)
  }
  neg(): Value {
    return apply(negOp, { x: this })
  }
}

/** Applies an op: checks its inputs by the op's own shape rule and returns the new node. */
export function apply(op: Op, inputs: Readonly<Record<string, Value>>, attrs: Attrs = {}): Value {
  return new Value(op, inputs, attrs, op.infer(inputs, attrs))
}

/** Applies an elementwise op of two inputs, with NumPy's broadcasting. */
export function binary(op: Op, a: Value, b: Value | number): Value {
  return apply(op, { a, b: typeof b === 'number' ? constant(b) : b })
}

/** Tells traced values from the plain objects that hold them. */
export function isValue(x: unknown): x is Value {
  return x instanceof Value
}

/** All nodes that the roots need, inputs before users. */
export function ancestors(roots: readonly Value[]): Value[] {
  const seen = new Set<Value>()
  const stack = [...roots]
  while (stack.length > 0) {
    const value = stack.pop()!
    if (seen.has(value)) continue
    seen.add(value)
    stack.push(...Object.values(value.inputs))
  }
  return [...seen].sort((a, b) => a.id - b.id)
}

/** A function of tensors, traced: what goes in by name, what comes out by name. */
export interface Graph {
  readonly inputs: Readonly<Record<string, Value>>
  readonly outputs: Readonly<Record<string, Value>>
  /** Values that it may be cut at, see cutGraph. */
  readonly cuts?: readonly Value[]
}

/**
 * Closes a trace into a graph.
 *
 * throws  ShapeError when an output needs an input that is not listed
 */
export function graph(inputs: Readonly<Record<string, Value>>, outputs: Readonly<Record<string, Value>>, cuts?: readonly Value[]): Graph {
  const listed = new Set(Object.values(inputs))
  for (const value of ancestors(Object.values(outputs))) {
    demand(
      value.op.name !== 'input' || listed.has(value),
      () => `graph: every input must be listed, got ${value.attrs.name} ${show(value)} unlisted`,
    )
  }
  return { inputs, outputs, ...(cuts ? { cuts } : {}) }
}

/** Maps the leaves of a nested object, keeping its form. */
export function mapNested<T, U>(
  nested: Nested<T>,
  isLeaf: (x: unknown) => x is T,
  change: (leaf: T, name: string) => U,
  prefix = '',
): Nested<U> {
  if (isLeaf(nested)) return change(nested, prefix)
  const named = (name: string) => (prefix ? `${prefix}.${name}` : name)
  if (Array.isArray(nested)) return nested.map((inner: Nested<T>, i) => mapNested(inner, isLeaf, change, named(String(i))))
  return Object.fromEntries(Object.entries(nested as object).map(([name, inner]) => [name, mapNested(inner, isLeaf, change, named(name))]))
}
