import { ancestors, input, Value } from '../graph/index.ts'
import type { Declarable } from './declaration.ts'
import type { Mark } from './scan.ts'

/** A loss whose marked places are what a declaration says they are, with the inputs that hold them. */
export interface HeldLoss {
  readonly loss: Value
  /** Inputs of the new loss, by name, and the value of the old one that each is fed with, as it was where the parameters began. */
  readonly held: Readonly<Record<string, { readonly input: Value; readonly from: Value }>>
}

/**
 * The loss that a declared gradient is the derivative of: what is stopped or chosen is held at its value, and a straight-through is that value
 * plus what its way back moved by. Without such places it is the loss itself.
 *
 * source  the surrogate of a straight-through estimator: Bengio et al. 2013, arXiv:1308.3432
 */
export function heldLoss(loss: Value, marks: readonly Mark[], declared: ReadonlySet<Declarable>): HeldLoss {
  const held: Record<string, { input: Value; from: Value }> = {}
  const hold = (from: Value): Value => {
    const name = `held.${Object.keys(held).length}`
    held[name] = { input: input(name, from.shape, from.dtype), from }
    return held[name].input
  }
  const ways = new Map(marks.map(({ value }) => [value, wayBack(value, declared)]))
  const made = new Map<Value, Value>()
  for (const value of ancestors([loss])) {
    const way = ways.get(value)
    const inputs = Object.fromEntries(Object.entries(value.inputs).map(([name, from]) => [name, made.get(from)!]))
    if (way)
      made.set(value, way.reduce((sum, name) => sum.add(inputs[name]!.sub(hold(value.inputs[name]!))), hold(value))) // biome-ignore format: one line
    else if (Object.entries(inputs).every(([name, now]) => now === value.inputs[name])) made.set(value, value)
    else made.set(value, new Value(value.op, inputs, value.attrs, value))
  }
  return { loss: made.get(loss)!, held }
}

/** The inputs that a held place moves with; nothing where the declaration does not speak of such a place. */
function wayBack({ op, inputs, shape }: Value, declared: ReadonlySet<Declarable>): string[] | undefined {
  if (op.name === 'straightThrough') return declared.has('straight-through') ? ['x'] : undefined
  if (op.name === 'withGradient') {
    const parts = Object.entries(inputs).flatMap(([name, part]) => (name !== 'y' && part.shape.join() === shape.join() ? [name] : []))
    return declared.has('straight-through') ? parts : undefined
  }
  if (op.name === 'stopGradient') return declared.has('stop') || declared.has('frozen') ? [] : undefined
  return declared.has('choice') ? [] : undefined
}
