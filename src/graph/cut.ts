import { input } from './ops/leaf.ts'
import { ancestors, type Graph, graph, Value } from './value.ts'

/**
 * A part of a graph that is run by itself. Its own inputs and outputs have names that tell nothing of where it is from, so that parts which
 * are alike are one graph; `reads` and `makes` say what they are in the whole: an input or output of it by its name, or a cut by its number.
 */
export interface Stage {
  readonly graph: Graph
  readonly reads: Readonly<Record<string, string | number>>
  readonly makes: Readonly<Record<string, string | number>>
}

/**
 * A graph in stages: each begins at cuts that stages before it made, and computes again what else it needs. So only the cuts are kept from
 * stage to stage: cut at the end of every block, and at the gradient that arrives there, a training step holds the activations of one block.
 *
 * limits  cuts that no output needs are left out; numbers are those of the whole but for the order of sums
 */
export function cutGraph(whole: Graph, cuts: readonly Value[]): Stage[] {
  const order = ancestors(Object.values(whole.outputs))
  const there = new Set(order)
  const numbers = new Map(cuts.filter((cut) => there.has(cut) && cut.op.name !== 'input').map((cut, i) => [cut, i]))
  const levels = new Map<Value, number>()
  for (const value of order) {
    const before = Object.values(value.inputs).map((from) => levels.get(from)! + (numbers.has(from) ? 1 : 0))
    levels.set(value, Math.max(0, ...before))
  }
  const ends: (readonly [string | number, Value])[] = [
    ...Object.entries(whole.outputs),
    ...[...numbers].map(([cut, number]) => [number, cut] as const),
  ]
  const names = new Map(Object.entries(whole.inputs).map(([name, value]) => [value, name]))
  const last = Math.max(0, ...ends.map(([, value]) => levels.get(value)!))
  return Array.from({ length: last + 1 }, (_, level) => ends.filter(([, value]) => levels.get(value) === level))
    .map((mine, level) =>
      stageOf(mine, (value) => (numbers.has(value) && levels.get(value)! < level ? numbers.get(value)! : names.get(value))),
    )
    .filter(({ makes }) => Object.keys(makes).length > 0)
}

/** What some values need, from where others are given: those that have a name in the whole. */
function stageOf(ends: readonly (readonly [string | number, Value])[], given: (value: Value) => string | number | undefined): Stage {
  const seen = new Set<Value>()
  const stack = ends.map(([, value]) => value)
  while (stack.length > 0) {
    const value = stack.pop()!
    if (seen.has(value)) continue
    seen.add(value)
    if (given(value) === undefined) stack.push(...Object.values(value.inputs))
  }
  const copies = new Map<Value, Value>()
  const inputs: Record<string, Value> = {}
  const reads: Record<string, string | number> = {}
  for (const value of [...seen].sort((a, b) => a.id - b.id)) {
    const name = given(value)
    if (name === undefined) {
      const from = Object.fromEntries(Object.entries(value.inputs).map(([key, one]) => [key, copies.get(one)!]))
      copies.set(value, value.op.name === 'tap' ? from.x! : new Value(value.op, from, value.attrs, value))
      continue
    }
    const mine = `in.${Object.keys(inputs).length}`
    inputs[mine] = input(mine, value.shape, value.dtype)
    reads[mine] = name
    copies.set(value, inputs[mine])
  }
  const makes = Object.fromEntries(ends.map(([name], i) => [`out.${i}`, name]))
  return { graph: graph(inputs, Object.fromEntries(ends.map(([, value], i) => [`out.${i}`, copies.get(value)!]))), reads, makes }
}
