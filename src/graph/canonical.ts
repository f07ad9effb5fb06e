import { isTensor } from './tensor.ts'
import { ancestors, isValue, type Value } from './value.ts'

/**
 * Some values as a text that says what they compute and nothing of who made them: a line a node in the order in which they are needed, with every
 * number that a constant or a table holds. The walk stops at `ends`, which stand there by name. Two traces of one function have one text, and
 * two closures of one factory have two where a constant differs.
 */
export function canonical(roots: readonly Value[], ends: ReadonlyMap<Value, string> = new Map()): string {
  const numbers = new Map<Value, number>()
  const lines: string[] = []
  const needed = upTo(roots, ends)
  for (const value of ancestors(roots)) {
    if (!needed.has(value)) continue
    const { op, inputs, attrs, dtype, shape } = value
    numbers.set(value, numbers.size)
    const name = ends.get(value)
    const from = Object.entries(inputs).map(([key, input]) => `${key}=${numbers.get(input)}`)
    const what = name === undefined ? `${op.name}(${from.join()}) ${JSON.stringify(attrs, plainly)}` : `end ${name}`
    lines.push(`${numbers.get(value)} ${dtype}[${shape}] ${what}`)
  }
  return [...lines, `of ${roots.map((root) => numbers.get(root)).join()}`].join('\n')
}

/** What the roots need, as far as the ends. */
function upTo(roots: readonly Value[], ends: ReadonlyMap<Value, string>): Set<Value> {
  const needed = new Set<Value>()
  const open = [...roots]
  for (let value = open.pop(); value; value = open.pop()) {
    if (needed.has(value)) continue
    needed.add(value)
    if (!ends.has(value)) open.push(...Object.values(value.inputs))
  }
  return needed
}

function plainly(_: string, held: unknown): unknown {
  if (isValue(held) || typeof held === 'function') return undefined
  if (isTensor(held)) return { dtype: held.dtype, shape: held.shape, data: [...held.data] }
  return typeof held === 'number' && !Number.isFinite(held) ? String(held) : held
}
