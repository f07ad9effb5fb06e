import { UserError } from '../graph/errors.ts'
import type { Labelled, Pair } from './pair.ts'
import { countReasons, type Quarantined, type Reason } from './quarantine.ts'
import { type PreferenceRow, readRows } from './read.ts'
import { type Tokenising, tokenise, type Vocabulary } from './tokenise.ts'

/** A file of preferences in tokens, with everything that was done on the way and every row that was set aside. */
export interface Loaded<T extends Pair | Labelled> {
  readonly file: string
  /** Rows read, usable or not. */
  readonly rows: number
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
}

export interface Loading extends Tokenising {
  /** Called with the number of rows read so far. */
  readonly onRow?: (rows: number) => void
}

/**
 * Reads the pairs of a file and puts them into tokens, in file order.
 *
 * throws  UserError when the file can not be read or no pair in it is usable
 */
export async function loadPairs(file: string, vocabulary: Vocabulary, options: Loading = {}): Promise<Loaded<Pair>> {
  return load<Pair>(file, vocabulary, options, 'pair', (row) => row.form !== 'labelledText')
}

/**
 * Reads the unpaired rows of a file and puts them into tokens, in file order.
 *
 * throws  UserError when the file can not be read or no row in it is usable
 */
export async function loadLabelled(file: string, vocabulary: Vocabulary, options: Loading = {}): Promise<Loaded<Labelled>> {
  return load<Labelled>(file, vocabulary, options, 'unpaired row', (row) => row.form === 'labelledText')
}

/** Whether a file holds pairs or unpaired rows: what its first well-formed row is. */
export async function kindOfFile(file: string): Promise<'pairs' | 'labelled'> {
  for await (const read of readRows(file)) {
    if ('row' in read) return read.row.form === 'labelledText' ? 'labelled' : 'pairs'
  }
  return 'pairs'
}

async function load<T extends Pair | Labelled>(
  file: string,
  vocabulary: Vocabulary,
  options: Loading,
  wanted: string,
  fits: (row: PreferenceRow) => boolean,
): Promise<Loaded<T>> {
  const examples: T[] = []
  const quarantined: Quarantined[] = []
  let rows = 0
  let verbatim = 0
  let trimmed = 0
  let endTokens = 0
  let begins = 0
  let ends = 0
  for await (const read of readRows(file)) {
    const { line, raw } = read
    const done =
      'bad' in read
        ? read.bad
        : fits(read.row)
          ? tokenise(read.row, rows, vocabulary, options)
          : ({
              reason: 'wrong shape',
              detail: `this must be ${wanted === 'pair' ? 'a' : 'an'} ${wanted}, got ${read.row.form === 'labelledText' ? 'an unpaired row' : 'a pair'}`,
            } as const)
    rows++
    options.onRow?.(rows)
    if ('reason' in done) {
      quarantined.push({ line, reason: done.reason, detail: done.detail, raw })
      continue
    }
    examples.push(done.example as T)
    if ('row' in read && read.row.form === 'pairIds') verbatim++
    if (done.trimmed > 0) trimmed++
    endTokens += done.endTokens
    begins += done.begins
    ends += done.ends
  }
  const counts = countReasons(quarantined)
  if (examples.length === 0)
    throw new UserError(`${file}: at least one ${wanted} must be usable, got none of ${rows} rows${whyNot(counts, quarantined)}`)
  return { file, rows, examples, quarantined, counts, verbatim, trimmed, endTokens, begins, ends }
}

function whyNot(counts: Partial<Record<Reason, number>>, quarantined: readonly Quarantined[]): string {
  const first = quarantined[0]
  if (!first) return '; is this the right file?'
  const said = Object.entries(counts).map(([reason, n]) => `${n} ${reason}`)
  const remedy = counts['not a token prefix'] ? "mend them, or set boundary to 'trim'" : 'mend the rows'
  return ` (${said.join(', ')}); ${remedy}; the first is line ${first.line}: ${first.detail}`
}
