import { show } from './tensor.ts'
import type { Graph, Value } from './value.ts'

// Stands in no name.
const SEPARATOR = '\n'

/** A named value of the forward pass, and what lies between it and the named values it is computed from. */
export interface Line {
  readonly name: string
  readonly type: string
  readonly nodes: readonly Value[]
  /** Names of the inputs it reads. */
  readonly given: readonly string[]
  /** Names of the lines it reads. */
  readonly from: readonly string[]
}

/**
 * The forward pass as lines, in the order of computation. Names are those of taps and outputs. Nodes that several named values need and
 * that no name stands between become a line `shared.1`, inside a block (`blocks.3.shared.1`) when only that block needs them.
 */
export function traceLines(graph: Graph, forward: readonly Value[]): Line[] {
  const named = namesOf(graph, forward)
  const users = new Map<Value, string[]>()
  for (const [end, name] of named) {
    for (const node of between(end, (x) => named.has(x) || isLeaf(x))) users.set(node, [...(users.get(node) ?? []), name])
  }
  const groups = new Map<string, Value[]>()
  for (const node of forward) {
    const by = users.get(node)?.join(SEPARATOR)
    if (by !== undefined) groups.set(by, [...(groups.get(by) ?? []), node])
  }
  const lineOf = new Map<Value, string>()
  const counted = new Map<string, number>()
  for (const [by, nodes] of groups) {
    const scopes = new Set(by.split(SEPARATOR).map((name) => blockOf(name)?.prefix ?? ''))
    const scope = scopes.size === 1 ? [...scopes][0]! : ''
    if (by.includes(SEPARATOR)) counted.set(scope, (counted.get(scope) ?? 0) + 1)
    for (const node of nodes) lineOf.set(node, by.includes(SEPARATOR) ? `${scope}shared.${counted.get(scope)}` : by)
  }
  const inputs = new Map(Object.entries(graph.inputs).map(([name, value]) => [value, name]))
  return [...groups.values()].map((nodes) => {
    const last = nodes.at(-1)!
    const name = lineOf.get(last)!
    const sources = nodes.flatMap((node) => Object.values(node.inputs))
    return {
      name,
      nodes,
      type: show(last),
      given: [...new Set(sources.flatMap((x) => inputs.get(x) ?? []))],
      from: [...new Set(sources.flatMap((x) => lineOf.get(x) ?? []))].filter((source) => source !== name),
    }
  })
}

/** The block a name belongs to: what stands up to its first index. */
export function blockOf(name: string): { prefix: string; stem: string; index: number } | undefined {
  const match = /^(.*?\.)?(\d+)\./.exec(name)
  return match ? { prefix: match[0], stem: match[1] ?? '', index: Number(match[2]) } : undefined
}

/** Names of forward values: outputs, and taps, whose name also holds for the value that was tapped. */
function namesOf(graph: Graph, forward: readonly Value[]): Map<Value, string> {
  const names = new Map<Value, string>()
  const known = new Set(forward)
  const taken = new Map<string, number>()
  for (const [name, value] of Object.entries(graph.outputs)) if (known.has(value) && !isLeaf(value)) names.set(value, name)
  for (const value of forward) {
    if (value.op.name !== 'tap') continue
    const tap = String(value.attrs.name)
    taken.set(tap, (taken.get(tap) ?? 0) + 1)
    const name = taken.get(tap) === 1 ? tap : `${tap}#${taken.get(tap)}` // a model that is run twice in one graph
    names.set(value, name)
    if (!isLeaf(value.inputs.x!)) names.set(value.inputs.x!, name)
  }
  return names
}

/** The nodes that a value is computed with, itself among them, up to where the walk stops. */
function between(end: Value, stop: (value: Value) => boolean): Set<Value> {
  const found = new Set([end])
  for (const value of found) for (const input of Object.values(value.inputs)) if (!stop(input)) found.add(input)
  return found
}

/** Inputs and numbers fixed while tracing: nothing is computed for them. */
function isLeaf(value: Value): boolean {
  return Object.keys(value.inputs).length === 0
}
