import { ancestors, sizeOf, type Value } from '../graph/index.ts'

/** What the first axis of a value counts: examples, the completions of groups, or tokens of all examples with padding. */
export type Of = 'constant' | 'examples' | 'slots' | 'tokens'

/**
 * How a value depends on the examples of a batch: not at all; one entry along an axis for each, of itself alone; a sum over them that a mean
 * still has to divide; a mean of numbers of single examples; or on all of them together.
 */
type Dependence =
  | { readonly kind: 'constant' | 'mean' | 'whole' }
  | { readonly kind: 'each'; readonly of: Exclude<Of, 'constant'>; readonly axis: number }
  | { readonly kind: 'total'; readonly of: Exclude<Of, 'constant'>; readonly entries: number }

const constant: Dependence = { kind: 'constant' }
const whole: Dependence = { kind: 'whole' }
const mean: Dependence = { kind: 'mean' }

/**
 * Whether a loss is a mean of numbers of single examples, read off its graph: then it is the same however the batch is cut into parts. What
 * cannot be told counts as no.
 *
 * `sources` says of values where the walk ends what their first axis counts; inputs of a graph that are not among them are of the whole
 * batch. A sum of tokens or completions becomes a mean by the `unit` alone, since a part has not as many as another.
 */
export function isMeanOfExamples(loss: Value, sources: ReadonlyMap<Value, Of>, unit: Value): boolean {
  const found = new Map<Value, Dependence>()
  for (const value of ancestors([loss])) {
    const of = sources.get(value)
    found.set(value, of ? sourceOf(of) : value === unit ? constant : dependence(value, (input) => found.get(input)!, unit))
  }
  const { kind } = found.get(loss)!
  return kind === 'mean' || kind === 'constant'
}

function sourceOf(of: Of): Dependence {
  return of === 'constant' ? constant : { kind: 'each', of, axis: 0 }
}

const elementwise = new Set('add sub mul div maximum minimum neg exp log sqrt sigmoid logSigmoid tanh erf step tap stopGradient'.split(' '))
const linear = new Set(['neg', 'tap', 'stopGradient', 'reshape', 'transpose', 'broadcastTo', 'sum', 'slice', 'pad'])

function dependence(value: Value, of: (input: Value) => Dependence, unit: Value): Dependence {
  const { op, attrs, shape } = value
  if (op.name === 'input') return whole
  // A composite is what it was traced as.
  const inputs = op.name === 'composite' ? [value.inputs.x!] : Object.values(value.inputs)
  const kinds = inputs.map(of)
  if (kinds.every(({ kind }) => kind === 'constant')) return constant
  if (kinds.some(({ kind }) => kind === 'whole')) return whole
  if (op.name === 'composite') return kinds[0]!
  if (kinds.some(({ kind }) => kind === 'mean' || kind === 'total')) return ofMeans(value, kinds, unit)

  const [x] = inputs as [Value]
  const each = kinds.find((one) => one.kind === 'each')!
  const [first] = kinds as [Dependence]
  const at = (axis: number): Dependence => ({ ...each, axis })
  if (elementwise.has(op.name)) {
    const axes = kinds.flatMap((one, i) =>
      one.kind === 'each' && one.of === each.of ? [one.axis + shape.length - inputs[i]!.shape.length] : [],
    )
    const same = axes.length === kinds.filter(({ kind }) => kind === 'each').length && axes.every((axis) => axis === axes[0])
    // A constant with an entry for each place in the batch would be another one's in another part.
    const fits = inputs.every((input, i) => {
      const size = input.shape.at(axes[0]! - shape.length) ?? 1
      return kinds[i]!.kind === 'constant' ? input.shape.length < shape.length - axes[0]! || size === 1 : size === shape[axes[0]!]
    })
    return same && fits ? at(axes[0]!) : whole
  }
  if (op.name === 'matmul') {
    const [a, b] = kinds as [Dependence, Dependence]
    const rank = shape.length
    const left = a.kind === 'each' ? a.axis + rank - inputs[0]!.shape.length : undefined
    const right = b.kind === 'each' ? b.axis + rank - inputs[1]!.shape.length : undefined
    if (left !== undefined && right === undefined) return left < rank - 1 ? at(left) : whole
    if (left === undefined) return right !== rank - 2 ? at(right!) : whole
    return left === right && left < rank - 2 ? at(left) : whole
  }
  if (first.kind !== 'each') return whole
  if (op.name === 'sum') {
    const { axes } = attrs as { axes: readonly number[] }
    if (!axes.includes(each.axis)) return at(each.axis)
    return { kind: 'total', of: each.of, entries: sizeOf(x.shape) / sizeOf(shape) }
  }
  if (op.name === 'softmax' || op.name === 'logSumExp' || op.name === 'argMax')
    return each.axis < x.shape.length - 1 ? at(each.axis) : whole
  if (op.name === 'transpose') return at((attrs.perm as readonly number[]).indexOf(each.axis))
  if (op.name === 'slice' || op.name === 'pad') return attrs.axis === each.axis ? whole : at(each.axis)
  if (op.name === 'broadcastTo')
    return x.shape[each.axis] === shape.at(each.axis - x.shape.length) ? at(each.axis + shape.length - x.shape.length) : whole
  if (op.name === 'concat') {
    const alike = kinds.every((one) => one.kind === 'each' && one.of === each.of && one.axis === each.axis)
    return alike ? at(each.axis) : whole
  }
  return op.name === 'reshape' ? reshaped(x.shape, shape, each) : whole
}

/** The axis of a reshaped value that the same entries lie along, whole or in equal parts. */
function reshaped(before: readonly number[], after: readonly number[], each: Dependence & { kind: 'each' }): Dependence {
  const outer = sizeOf(before.slice(0, each.axis))
  const axis = after.findIndex((_, i) => sizeOf(after.slice(0, i)) === outer && before[each.axis]! % after[i]! === 0 && after[i]! > 1)
  if (axis >= 0) return { ...each, axis }
  // A single example is its whole axis.
  const one = after.findIndex((n, i) => n === 1 && sizeOf(after.slice(0, i)) === outer)
  return before[each.axis] === 1 && one >= 0 ? { ...each, axis: one } : whole
}

/** What becomes of means, and of sums that are not means yet: means add up and are scaled; a sum is divided by what it counts. */
function ofMeans({ op, inputs: named }: Value, kinds: readonly Dependence[], unit: Value): Dependence {
  const inputs = Object.values(named)
  if (linear.has(op.name)) return kinds[0]!
  if (kinds.every(({ kind }) => kind === 'mean' || kind === 'constant')) {
    const means = kinds.filter(({ kind }) => kind === 'mean').length
    const scaled = op.name === 'mul' ? means === 1 : op.name === 'div' && kinds[1]!.kind === 'constant'
    return op.name === 'add' || op.name === 'sub' || scaled ? mean : whole
  }
  const at = kinds.findIndex(({ kind }) => kind === 'total')
  const [total, other] = [kinds[at], inputs[1 - at]]
  if (total?.kind !== 'total' || !other || kinds[1 - at]!.kind !== 'constant') return whole
  if (op.name === 'mul' && other === unit) return total.of === 'examples' ? whole : mean
  const factor = other.op.name === 'constant' ? Number(other.attrs.fill) : Number.NaN
  const share = op.name === 'mul' ? factor : op.name === 'div' && at === 0 ? 1 / factor : Number.NaN
  return total.of === 'examples' && Math.abs(share * total.entries - 1) < 1e-12 ? mean : whole
}
