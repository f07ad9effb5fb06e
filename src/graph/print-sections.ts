import { foldNames } from './fold-names.ts'
import { gradientMarks, madeByGradient } from './gradient.ts'
import { foldBlocks, opCounts } from './print-blocks.ts'
import { traceLines } from './print-lines.ts'
import { simplify } from './simplify.ts'
import { show, sizeOf } from './tensor.ts'
import { ancestors, type Graph, type Value } from './value.ts'

/** A whole training step on one screen: inputs, forward by taps, what the gradient adds, outputs, blind spots. */
export function printSections(graph: Graph): string[] {
  const order = ancestors(Object.values(graph.outputs))
  const slopes = order.filter(madeByGradient)
  const behind = new Set(slopes)
  for (const value of order) if (Object.values(value.inputs).some((input) => behind.has(input))) behind.add(value)
  const forward = order.filter((value) => !behind.has(value))
  const after = order.filter((value) => behind.has(value) && !madeByGradient(value))
  const read = slopes.flatMap(({ inputs }) => Object.values(inputs)).filter((x) => !behind.has(x) && Object.keys(x.inputs).length > 0)
  const kept = [...new Set(read)]
  const lines = traceLines(graph, forward)

  const run = ancestors(Object.values(simplify(graph).outputs))
  const products = run.filter(({ op }) => op.name === 'matmul')
  const flop = products.reduce((total, { shape, inputs: { a } }) => total + 2 * sizeOf(shape) * a!.shape.at(-1)!, 0)
  const marks = gradientMarks(graph).map(({ value, op, why }) => {
    const line = lines.find(({ nodes }) => nodes.includes(value))
    return [`${line?.name ?? (madeByGradient(value) ? 'gradient' : 'after')}.${op}`, why] as const
  })
  return [
    `${order.length} nodes, ${run.length} when run; ${products.length} matrix products of ${short(flop)}FLOP when run; ${short(bytesOf(Object.values(graph.inputs)))}B in, ${short(bytesOf(Object.values(graph.outputs)))}B out`,
    ...section('inputs', named(graph.inputs)),
    ...section(
      `forward: ${forward.length} nodes`,
      columns(
        foldBlocks(lines).map(({ name, type, ops, sources }) => [name, type, sources.length > 0 ? `← ${sources.join(', ')}` : '', ops]),
      ),
    ),
    ...section(
      `gradient: ${slopes.length} nodes, reading ${kept.length} values of the forward pass, ${short(bytesOf(kept))}B`,
      wrapped(opCounts(slopes)),
    ),
    ...section(`after the gradient: ${after.length} nodes`, wrapped(opCounts(after))),
    ...section('outputs', named(graph.outputs)),
    '',
    `gradient marks: ${marks.length || 'none, every gradient is the derivative of what is computed'}`,
    ...indented(columns(foldNames(marks).map(({ pattern, kind, count }) => [pattern, times(kind, count)]))),
  ]
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...indented(lines)]
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`)
}

/** Inputs or outputs, those of one type and pattern on one line. */
function named(values: Readonly<Record<string, Value>>): string[] {
  const folded = foldNames(Object.entries(values).map(([name, value]) => [name, show(value)]))
  return columns(folded.map(({ pattern, kind, count }) => [pattern, times(kind, count)]))
}

function times(text: string, count: number): string {
  return count > 1 ? `${text} ×${count}` : text
}

/** Columns as wide as their widest cells; a cell that ends its row, and a very long one, claim no width. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) {
    const full = row.findLastIndex((cell) => cell !== '')
    for (let i = 0; i < full; i++) if (row[i]!.length <= 72) widths[i] = Math.max(widths[i] ?? 0, row[i]!.length)
  }
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

function wrapped(text: string, width = 120): string[] {
  const lines: string[] = []
  for (const word of text === '' ? [] : text.split(', ')) {
    if (lines.length > 0 && lines.at(-1)!.length + word.length + 2 <= width) lines.push(`${lines.pop()}, ${word}`)
    else lines.push(word)
  }
  return lines
}

function bytesOf(values: readonly Value[]): number {
  return values.reduce((total, { shape }) => total + 4 * sizeOf(shape), 0)
}

/** `15.2 M`, to be followed by a unit. */
function short(x: number): string {
  const [scale, letter] = (
    [
      [1e9, 'G'],
      [1e6, 'M'],
      [1e3, 'k'],
    ] as const
  ).find(([limit]) => x >= limit) ?? [1, '']
  return `${letter ? (x / scale).toFixed(1) : x} ${letter}`
}
