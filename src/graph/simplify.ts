import { productRules } from './simplify-products.ts'
import { shapeRules } from './simplify-shapes.ts'
import { type Attrs, ancestors, type Graph, type Op, Value } from './value.ts'

/** One way to write a value with less work. */
export interface Rule {
  readonly name: string
  /** Names of the ops that a match may end in. */
  readonly at: readonly string[]
  /** Whether every number keeps its bits; else sums may come in another order. */
  readonly exact?: true
  /** The value written in another way, from values that it is computed from; undefined where the rule does not apply. */
  rewrite(value: Value, facts: Facts): Value | undefined
}

/** What a rule may ask about the graph around a value, so that nothing is computed twice that was computed once. */
export interface Facts {
  /** Who reads a value, each once. */
  users(value: Value): readonly Value[]
  isOutput(value: Value): boolean
  /** Whether the graph computes this already. */
  computes(op: Op, inputs: Readonly<Record<string, Value>>, attrs?: Attrs): boolean
}

/** A mark says something about a value; when a graph is run, it is that value. */
const marks: Rule = {
  name: 'a mark is the value that it marks',
  at: ['tap', 'stopGradient', 'straightThrough', 'withGradient'],
  exact: true,
  rewrite: ({ op, inputs }) => inputs[op.name === 'straightThrough' ? 'target' : op.name === 'withGradient' ? 'y' : 'x'],
}

/** Every rule there is. Of those that apply to a value the first one is taken. */
export const rules: readonly Rule[] = [marks, ...shapeRules, ...productRules]

/** A graph as an engine runs it. */
export interface Simplified extends Graph {
  /** Names that taps gave to values which are still computed. */
  readonly taps: ReadonlyMap<Value, string>
}

/**
 * The same function with less work: constructors and `gradient` build what is written, and this stage rewrites it by the table of rules,
 * until none applies. Equal values become one, marks go, inputs stay who they are. A graph is simplified to be run; what is differentiated
 * or printed is the graph as it was written.
 *
 * limits  numbers are those of the graph but for the order of sums; with exact rules alone, bit for bit
 */
export function simplify(
  graph: Graph,
  { only = rules, onRule }: { only?: readonly Rule[]; onRule?: (name: string) => void } = {},
): Simplified {
  const taps = ancestors(Object.values(graph.outputs)).filter(({ op }) => op.name === 'tap')
  let now: Simplified = { ...graph, taps: new Map(taps.map((tap) => [tap, String(tap.attrs.name)])) }
  now = copied(now, ancestors(Object.values(now.outputs)), new Map())
  // Marks go first, so that they change nothing about the other rules.
  for (const stage of [only.filter((rule) => rule === marks), only]) {
    for (let rest = MOST_PASSES; ; rest--) {
      if (rest === 0) throw new Error(`internal: simplify must come to rest, got a rule that applies after ${MOST_PASSES} passes`)
      const order = ancestors(Object.values(now.outputs))
      const others = rewritten(now, order, stage, onRule)
      if (others.size === 0) break
      now = copied(now, order, others)
    }
  }
  const alive = new Set(ancestors(Object.values(now.outputs)))
  return { ...now, taps: new Map([...now.taps].filter(([value]) => alive.has(value))) }
}

const MOST_PASSES = 200

/** The other form of every value that a rule applies to. */
function rewritten(
  graph: Graph,
  order: readonly Value[],
  rules: readonly Rule[],
  onRule?: (name: string) => void,
): ReadonlyMap<Value, Value> {
  const facts = factsOf(graph, order)
  const others = new Map<Value, Value>()
  for (const value of order) {
    for (const rule of rules) {
      const other = rule.at.includes(value.op.name) ? rule.rewrite(value, facts) : undefined
      if (!other) continue
      onRule?.(rule.name)
      others.set(value, other)
      break
    }
  }
  return others
}

/** Every value anew, in the order they were written; equal ones once, and those that have another form in that form. */
function copied(graph: Simplified, order: readonly Value[], others: ReadonlyMap<Value, Value>): Simplified {
  const copies = new Map<Value, Value>()
  const made = new Map<string, Value>()
  const copy = (value: Value): Value => {
    const known = copies.get(value)
    if (known) return known
    let result = value
    if (value.op.name !== 'input') {
      const inputs: Record<string, Value> = {}
      for (const name in value.inputs) inputs[name] = copy(value.inputs[name]!)
      const key = keyOf(value.op, inputs, value.attrs)
      result = made.get(key) ?? new Value(value.op, inputs, value.attrs, value)
      made.set(key, result)
    }
    copies.set(value, result)
    return result
  }
  for (const value of order) copies.set(value, copy(others.get(value) ?? value))
  const taps = new Map<Value, string>()
  for (const [value, name] of graph.taps) {
    const now = copies.get(value)
    if (now && !taps.has(now)) taps.set(now, name)
  }
  const outputs = Object.fromEntries(Object.entries(graph.outputs).map(([name, value]) => [name, copies.get(value)!]))
  return { inputs: graph.inputs, outputs, taps }
}

function factsOf(graph: Graph, order: readonly Value[]): Facts {
  const users = new Map<Value, Value[]>()
  for (const user of order) {
    for (const name in user.inputs) {
      const readers = users.get(user.inputs[name]!)
      if (!readers) users.set(user.inputs[name]!, [user])
      else if (readers.at(-1) !== user) readers.push(user)
    }
  }
  const outputs = new Set(Object.values(graph.outputs))
  let keys: Set<string> | undefined
  return {
    users: (value) => users.get(value) ?? [],
    isOutput: (value) => outputs.has(value),
    computes(op, inputs, attrs = {}) {
      keys ??= new Set(order.map((value) => keyOf(value.op, value.inputs, value.attrs)))
      return keys.has(keyOf(op, inputs, attrs))
    },
  }
}

/** The same for two values exactly if they are one op of the same inputs with the same attributes. */
function keyOf(op: Op, inputs: Readonly<Record<string, Value>>, attrs: Attrs): string {
  let from = ''
  for (const name in inputs) from += `${name}:${inputs[name]!.id},`
  return `${numberOf(op)}|${from}${written(attrs)}`
}

function written(attrs: Attrs): string {
  const text = texts.get(attrs) ?? JSON.stringify(attrs, plain)
  texts.set(attrs, text)
  return text
}
const texts = new WeakMap<Attrs, string>()

/** JSON knows no −0 and no NaN; of an array of numbers it is enough to know which one it is. */
function plain(_: string, x: unknown): unknown {
  if (typeof x === 'number') return Object.is(x, -0) ? '-0' : Number.isFinite(x) ? x : String(x)
  return ArrayBuffer.isView(x) ? numberOf(x) : x
}

function numberOf(x: object): number {
  const number = numbers.get(x) ?? ++last
  numbers.set(x, number)
  return number
}
const numbers = new WeakMap<object, number>()
let last = 0
