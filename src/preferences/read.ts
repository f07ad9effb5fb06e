import { type JsonLine, readObjects } from '../files/index.ts'
import { type RawRow, Unreadable } from './columns.ts'
import { type Dialect, dialects } from './dialects/index.ts'
import type { Quarantined, Reason } from './quarantine.ts'
import type { Row } from './row.ts'

/** Which column of a file is what, where its names do not tell: `{ prompt: 'question', chosen: 'good', rejected: 'bad' }`. */
export type Columns = Readonly<Partial<Record<ColumnName, string>>>

/** What a column can be. */
export const columnNames = [
  'prompt', 'chosen', 'rejected', 'completion', 'label', 'messages', 'conversations', 'text', 'votes', 'tools',
] as const // biome-ignore format: one line
export type ColumnName = (typeof columnNames)[number]

/** One row of a file: in its dialect, or set aside with its reason. */
export type ReadRow = { readonly line: number; readonly raw: string } & (
  | { readonly row: Row; readonly dialect: string }
  | { readonly bad: Quarantined }
)

/**
 * Reads rows of preferences and of texts from a file in any dialect, one at a time: JSON lines, a JSON array, CSV or Parquet. Blank lines are not
 * rows; a byte-order mark and Windows line ends are no matter.
 *
 * throws  UserError when the file can not be read or unpacked; a row that can not be read is yielded as bad, never thrown
 */
export async function* readRows(file: string, columns?: Columns): AsyncGenerator<ReadRow> {
  for await (const read of readObjects(file)) yield rowOf(read, columns)
}

/** One object of a file as a row. */
export function rowOf(read: JsonLine, columns?: Columns): ReadRow {
  const { line, raw } = read
  const bad = (reason: Reason, detail: string): ReadRow => ({ line, raw, bad: { line, reason, detail, raw } })
  if ('fault' in read) return bad(read.fault, read.detail)
  try {
    const value = columns ? mapped(read.value, columns) : read.value
    const dialect = dialectOf(value)
    return { line, raw, row: dialect.read(value), dialect: dialect.name }
  } catch (error) {
    if (error instanceof Unreadable) return bad('wrong shape', error.message)
    throw error
  }
}

/** The dialect that a row's columns show. throws Unreadable */
export function dialectOf(row: RawRow): Dialect {
  const found = dialects.find((dialect) => dialect.fits(row))
  if (found) return found
  if ('prompt' in row && 'completions' in row && 'labels' in row)
    throw new Unreadable(
      'columns must be those of pairs, labelled completions or texts, got steps (completions, labels); objective rewardSteps reads these',
    )
  const names = Object.keys(row)
  if ('prompt' in row) throw new Unreadable('chosen and rejected, or completion: missing beside prompt')
  throw new Unreadable(
    `columns must be those of a known form, got ${names.slice(0, 8).join(', ') || 'none'}; say which is what with columns: { prompt, chosen, rejected }`,
  )
}

/** A row whose columns have the names that are known; the others are left out, so that none of them shows another dialect. */
function mapped(row: RawRow, columns: Columns): RawRow {
  const named = Object.entries(columns).map(([name, from]) => {
    if (from in row) return [name, row[from]] as const
    throw new Unreadable(
      `columns.${name}: must name a column of the file, got ${from}; the row has ${Object.keys(row).slice(0, 8).join(', ')}`,
    )
  })
  return Object.fromEntries(named)
}

/** Dialects and how many rows were read in each, for people: `ShareGPT`, `TRL pairs (3) and token ids (1)`. */
export function readAs(dialects: Readonly<Record<string, number>>): string {
  const all = Object.entries(dialects)
  if (all.length === 0) return 'nothing'
  return all.length === 1 ? all[0]![0] : all.map(([name, rows]) => `${name} (${rows.toLocaleString('en-US')})`).join(' and ')
}
