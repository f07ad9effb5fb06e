import { UserError } from '../graph/errors.ts'
import { kindName, otherKind } from './kind-name.ts'
import type { Labelled, Pair } from './pair.ts'
import { countReasons, type Quarantined, type Reason } from './quarantine.ts'
import { type Columns, readRows } from './read.ts'
import { kindOfRow, type PreferenceRow } from './row.ts'
import { type Tokenising, tokenise, type Vocabulary } from './tokenise.ts'

/** A file of preferences in tokens, with everything that was done on the way and every row that was set aside. */
export interface Loaded<T extends Pair | Labelled> {
  readonly file: string
  /** Rows read, usable or not. */
  readonly rows: number
  /** How many rows were read in each dialect. */
  readonly dialects: Readonly<Record<string, number>>
  readonly examples: readonly T[]
  readonly quarantined: readonly Quarantined[]
  readonly counts: Partial<Record<Reason, number>>
  /** Usable rows that came as ids, which are taken verbatim. */
  readonly verbatim: number
  /** Usable rows whose prompt lost tokens at its end (`boundary: 'trim'`). */
  readonly trimmed: number
  /** Completions that got the end token; the others had one, or came as ids. */
  readonly endTokens: number
  /** Usable rows whose text wrote the beginning that the tokenizer adds; it stands there once. */
  readonly begins: number
  /** Completions whose text wrote more than one end, or blanks after it; one end stands there. */
  readonly ends: number
  /** Usable rows that were cut so that they fit, and how many tokens were cut off. */
  readonly truncated: { readonly rows: number; readonly tokens: number }
}

export interface Loading extends Tokenising {
  /** Which column is what, where the file's own names do not tell. */
  readonly columns?: Columns | undefined
  /** Called with the number of rows read so far. */
  readonly onRow?: (rows: number) => void
}

/**
 * Reads the pairs of a file and puts them into tokens, in file order.
 *
 * throws  UserError when the file can not be read or no pair in it is usable
 */
export async function loadPairs(file: string, vocabulary: Vocabulary, options: Loading = {}): Promise<Loaded<Pair>> {
  return load<Pair>(file, vocabulary, options, 'pairs')
}

/**
 * Reads the unpaired rows of a file and puts them into tokens, in file order.
 *
 * throws  UserError when the file can not be read or no row in it is usable
 */
export async function loadLabelled(file: string, vocabulary: Vocabulary, options: Loading = {}): Promise<Loaded<Labelled>> {
  return load<Labelled>(file, vocabulary, options, 'labelled')
}

/** Whether a file holds pairs or unpaired rows: what its first row that is either is. */
export async function kindOfFile(file: string, columns?: Columns): Promise<'pairs' | 'labelled'> {
  for await (const read of readRows(file, columns)) {
    const kind = 'row' in read ? kindOfRow(read.row) : 'texts'
    if (kind !== 'texts') return kind
  }
  return 'pairs'
}

async function load<T extends Pair | Labelled>(
  file: string,
  vocabulary: Vocabulary,
  options: Loading,
  wanted: 'pairs' | 'labelled',
): Promise<Loaded<T>> {
  const examples: T[] = []
  const quarantined: Quarantined[] = []
  let rows = 0
  let verbatim = 0
  let trimmed = 0
  let endTokens = 0
  let begins = 0
  let ends = 0
  const truncated = { rows: 0, tokens: 0 }
  const dialects: Record<string, number> = {}
  for await (const read of readRows(file, options.columns)) {
    const { line, raw } = read
    if (options.rewardColumns && 'row' in read && kindOfRow(read.row) !== 'texts' && kindOfRow(read.row) !== wanted)
      throw new UserError(
        `${file}: must hold pairs or unpaired rows for a reward model, not both, got ${kindName[kindOfRow(read.row)]} at line ${line} after ${kindName[wanted]}; put them into two files`,
      )
    const done =
      'bad' in read
        ? read.bad
        : kindOfRow(read.row) === wanted
          ? tokenise(read.row as PreferenceRow, rows, vocabulary, options)
          : otherKind(read.row, wanted)
    if ('row' in read) dialects[read.dialect] = (dialects[read.dialect] ?? 0) + 1
    rows++
    options.onRow?.(rows)
    if ('reason' in done) {
      quarantined.push({ line, reason: done.reason, detail: done.detail, raw })
      continue
    }
    examples.push(done.example as T)
    if ('row' in read && read.row.form.endsWith('Ids')) verbatim++
    if (done.trimmed > 0) trimmed++
    endTokens += done.endTokens
    begins += done.begins
    ends += done.ends
    if (done.cutTokens > 0) truncated.rows++
    truncated.tokens += done.cutTokens
  }
  const counts = countReasons(quarantined)
  const firsts = Object.entries(counts).map(([reason, n]) => ({ ...quarantined.find((row) => row.reason === reason)!, rows: n }))
  if (examples.length === 0) throw nothingUsable(file, wanted, rows, firsts)
  return { file, rows, dialects, examples, quarantined, counts, verbatim, trimmed, endTokens, begins, ends, truncated }
}

/** The error for a file in which no row can be used, with how many there are for each reason and the first of them. */
export function nothingUsable(
  file: string,
  wanted: 'pairs' | 'labelled',
  rows: number,
  aside: readonly { readonly reason: Reason; readonly rows: number; readonly line: number; readonly detail: string }[],
): UserError {
  const must = `${file}: at least one ${kindName[wanted].replace(/^an? /, '')} must be usable, got none of ${rows} rows`
  if (aside.length === 0) return new UserError(`${must}; is this the right file?`)
  const said = aside.map(({ reason, rows }) => `${rows} ${reason}`)
  const remedy = aside.some(({ reason }) => reason === 'not a token prefix') ? "mend them, or set boundary to 'trim'" : 'mend the rows'
  const { line, detail } = aside.reduce((a, b) => (b.line < a.line ? b : a))
  return new UserError(`${must} (${said.join(', ')}); ${remedy}; the first is line ${line}: ${detail}`)
}
