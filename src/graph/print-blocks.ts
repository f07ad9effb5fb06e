import { foldNames } from './fold-names.ts'
import { blockOf, type Line } from './print-lines.ts'
import type { Value } from './value.ts'

/** One line of the forward pass in words; a block's title has only a name. */
export interface Row {
  readonly name: string
  readonly type: string
  readonly ops: string
  readonly sources: readonly string[]
}

/** Blocks next to each other that have one structure; lines outside of blocks are a run of their own. */
interface Run {
  readonly stem: string | undefined
  readonly first: number
  readonly blocks: (readonly Line[])[]
  readonly structure: string
}

/** The lines as rows; repeated blocks stand there once, with their indices. */
export function foldBlocks(lines: readonly Line[]): Row[] {
  return runsOf(lines).flatMap(({ stem, first, blocks }): Row[] => {
    if (stem === undefined) return blocks[0]!.map((line) => rowOf(line))
    const title = blocks.length > 1 ? `${stem}{${first}…${first + blocks.length - 1}}  ×${blocks.length}` : `${stem}${first}`
    const later = blocks[1]?.map((line) => rowOf(line, first + 1))
    const rows = blocks[0]!.map((line, i): Row => {
      const row = rowOf(line, first)
      // The first block of a run may read from elsewhere than the others: from the embedding, and not from the block before.
      const sources = row.sources.map((source, s) => [...new Set([source, later?.[i]?.sources[s] ?? source])].join(' | '))
      return { ...row, name: `  ${row.name}`, sources }
    })
    return [{ name: title, type: '', ops: '', sources: [] }, ...rows]
  })
}

/** How often each op stands in a list of nodes, in order of first use; taps, numbers and tables are left out. */
export function opCounts(nodes: readonly Value[]): string {
  const counts = new Map<string, number>()
  for (const { op, inputs } of nodes) {
    if (op.name !== 'tap' && Object.keys(inputs).length > 0) counts.set(op.name, (counts.get(op.name) ?? 0) + 1)
  }
  return [...counts].map(([name, count]) => (count > 1 ? `${name} ×${count}` : name)).join(', ')
}

function runsOf(lines: readonly Line[]): Run[] {
  const runs: Run[] = []
  let from = 0
  while (from < lines.length) {
    const { prefix, stem, index = 0 } = blockOf(lines[from]!.name) ?? {}
    let to = from
    while (to < lines.length && blockOf(lines[to]!.name)?.prefix === prefix) to++
    const block = lines.slice(from, to)
    from = to
    const structure = JSON.stringify(
      block.map((line) => ({ ...rowOf(line, index), sources: [line.from.length, relative(line.given, index)] })),
    )
    const before = runs.at(-1)
    const continues = stem !== undefined && before?.stem === stem && before.first + before.blocks.length === index
    if (continues && before.structure === structure) before.blocks.push(block)
    else runs.push({ stem, first: index, blocks: [block], structure })
  }
  return runs
}

function rowOf({ name, type, nodes, from, given }: Line, index?: number): Row {
  const block = index === undefined ? undefined : blockOf(name)
  const short = (x: string) => (block && x.startsWith(block.prefix) ? x.slice(block.prefix.length - 1) : x)
  const sources = [
    ...from.flatMap((x) => (short(x) === x ? [] : short(x))),
    ...from.flatMap((x) => (short(x) !== x ? [] : blockOf(x)?.stem === block?.stem ? relative([x], index) : x)),
    ...relative(given, index),
  ]
  return { name: short(name), type, ops: opCounts(nodes), sources: foldNames(sources.map((x) => [x, ''])).map(({ pattern }) => pattern) }
}

/** Names with a block's index as {i} and the one before as {i−1}. */
function relative(names: readonly string[], index: number | undefined): string[] {
  if (index === undefined) return [...names]
  const letter = (segment: string) => (segment === String(index) ? '{i}' : segment === String(index - 1) ? '{i−1}' : segment)
  return names.map((name) => name.split('.').map(letter).join('.'))
}
