import { realpath } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { writeAtomic } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import { asTrl, shapeOf } from './as-trl.ts'
import { kindName } from './kind-name.ts'
import type { Quarantined } from './quarantine.ts'
import { type Columns, readRows } from './read.ts'
import { kindOfRow, type Row, type RowKind } from './row.ts'
import { readVotes } from './votes.ts'

/** What was written of a file. */
export interface Converted {
  readonly kind: RowKind
  readonly rows: number
  readonly written: number
  readonly dialects: Readonly<Record<string, number>>
  readonly quarantined: readonly Quarantined[]
}

export interface Converting {
  readonly columns?: Columns | undefined
  /** Called with the number of rows read so far. */
  readonly onRow?: (rows: number) => void
}

/**
 * Writes a file of any dialect as JSON lines in TRL's columns, packed where its name ends in .gz. The first row that can be read says what the file
 * holds: pairs, labelled completions or texts, as text, messages or token ids; rows of another kind are set aside.
 *
 * throws  UserError when the file can not be read, no row of it can, or the name of what is written is another or the same
 */
export async function convertPreferences(file: string, to: string, { columns, onRow }: Converting = {}): Promise<Converted> {
  if (!/\.jsonl(\.gz)?$/.test(to)) throw new UserError(`${to}: must end in .jsonl or .jsonl.gz, got another name; name it so`)
  if ((await samePlace(file)) === (await samePlace(to)))
    throw new UserError(`${to}: must be another file than the one that is read; name another`)
  const quarantined: Quarantined[] = []
  const dialects: Record<string, number> = {}
  let rows = 0
  let written = 0
  let first: Row | undefined
  async function* lines() {
    for await (const read of readRows(file, columns)) {
      rows++
      onRow?.(rows)
      const { line, raw } = read
      if ('bad' in read) {
        quarantined.push(read.bad)
        continue
      }
      dialects[read.dialect] = (dialects[read.dialect] ?? 0) + 1
      const problem = problemWith(read.row, (first ??= read.row))
      if (problem) quarantined.push({ line, raw, ...problem })
      else {
        written++
        yield `${JSON.stringify(asTrl(read.row))}\n`
      }
    }
    if (written > 0) return
    const [bad] = quarantined
    throw new UserError(
      `${file}: at least one row must be readable, got none of ${rows}${bad ? `; the first is line ${bad.line}: ${bad.detail}` : '; is this the right file?'}`,
    )
  }
  await writeAtomic(to, async (handle) => {
    const from = Readable.from(lines())
    const write = async (chunks: AsyncIterable<Buffer | string>) => {
      for await (const chunk of chunks) await handle.writeFile(chunk)
    }
    await (to.endsWith('.gz') ? pipeline(from, createGzip(), write) : pipeline(from, write))
  })
  return { kind: kindOfRow(first!), rows, written, dialects, quarantined }
}

function problemWith(row: Row, first: Row): Pick<Quarantined, 'reason' | 'detail'> | undefined {
  const [mine, its] = [row, first].map((one) => ({ kind: kindOfRow(one), shape: shapeOf(one) })) as [Kind, Kind]
  if (mine.kind !== its.kind)
    return { reason: 'wrong shape', detail: `this must be ${kindName[its.kind]}, as the first row is, got ${kindName[mine.kind]}` }
  if (mine.shape !== its.shape)
    return { reason: 'wrong shape', detail: `this must be ${its.shape}, as the first row is, got ${mine.shape}` }
  const read = mine.kind === 'pairs' ? readVotes(row as { votes?: unknown; gap?: unknown }) : {}
  return 'detail' in read ? { reason: 'bad votes', detail: read.detail } : undefined
}

interface Kind {
  readonly kind: RowKind
  readonly shape: string
}

async function samePlace(path: string): Promise<string | symbol> {
  return realpath(path).catch(() => Symbol(path))
}
