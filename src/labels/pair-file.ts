import { z } from 'zod'
import { readObjects } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import { type Columns, type ReadRow, readVotes, rowOf, type TalkMessage } from '../preferences/index.ts'
import type { Label, NewPair, Said, StoredPair, Turn } from './store.ts'
import { type Tally, tally } from './tally.ts'

/** A pair of a file, with the votes that stand there: for a, for b. */
export interface FilePair extends NewPair {
  readonly votes?: readonly [number, number]
}

const turns = z.array(z.object({ role: z.string(), content: z.string() })).min(1)
const said = z.union([z.string(), turns], { error: 'must be a text, or a list of messages with role and content' })
const votes = z.tuple([z.number().min(0), z.number().min(0)], { error: 'must be two numbers ≥ 0' }).optional()
const open = z.object({ prompt: said, a: said, b: said, votes })

/**
 * Reads pairs from a file in any form of docs/data.md that has two sides, or of `prompt`, `a`, `b` where nothing was chosen. A chosen side is a
 * and has the vote; of the other form, votes are where they stand.
 *
 * Rows that cannot be read are set aside, each with its line and why.
 *
 * throws  UserError for a file that cannot be read, or without a row that can be used
 */
export async function readPairFile(file: string, columns?: Columns): Promise<{ pairs: FilePair[]; aside: string[] }> {
  const pairs: FilePair[] = []
  const aside: string[] = []
  for await (const read of readObjects(file)) {
    const where = `${file}:${read.line}`
    const found = 'value' in read && isOpen(read.value) ? openPair(where, read.value, file) : pairOf(where, rowOf(read, columns), file)
    if (typeof found === 'string') aside.push(found)
    else pairs.push(found)
  }
  if (pairs.length === 0)
    throw new UserError(
      aside[0] ?? `${file}: must hold pairs, got no row; give a file with prompt, chosen and rejected, or prompt, a and b`,
    )
  return { pairs, aside }
}

function isOpen(row: object): boolean {
  return ('a' in row || 'b' in row) && !('chosen' in row || 'rejected' in row)
}

/** A row of which nothing was chosen as a pair, or why it is none. */
function openPair(where: string, value: object, source: string): FilePair | string {
  const parsed = open.safeParse(value)
  if (parsed.success) {
    const { prompt, a, b, votes } = parsed.data
    return { prompt, a, b, source, ...(votes ? { votes } : {}) }
  }
  const { path, message } = parsed.error.issues[0]!
  const got = shown(path.reduce<unknown>((x, key) => (x as Record<PropertyKey, unknown> | undefined)?.[key], value))
  return `${where}: ${path.join('.') || 'a row'} ${message.startsWith('must') ? message : `must be there (${message})`}, got ${got}; give prompt, a and b`
}

/** A row of preferences as a pair, or why it is none. */
function pairOf(where: string, read: ReadRow, source: string): FilePair | string {
  if ('bad' in read) return `${where}: ${read.bad.detail}; give prompt, chosen and rejected, or prompt, a and b`
  const { row } = read
  if (row.form !== 'pairText' && row.form !== 'pairTalk')
    return `${where}: a row must have two completions as text or messages, got ${row.form === 'pairIds' ? 'token ids' : 'one or none'}; give prompt, chosen and rejected, or prompt, a and b`
  const found = readVotes(row)
  if ('detail' in found) return `${where}: ${found.detail}; mend the row`
  const votes = found.gap ? {} : { votes: found.votes ?? ([1, 0] as const) }
  // A dialogue in text is shown as it stands.
  if (row.form === 'pairText' || row.plain) {
    const { prompt, chosen, rejected } = row.form === 'pairText' ? row : row.plain!
    return { prompt, a: chosen, b: rejected, source, ...votes }
  }
  return { prompt: turnsOf(row.prompt), a: turnsOf(row.chosen), b: turnsOf(row.rejected), source, ...votes }
}

function turnsOf(messages: readonly TalkMessage[]): Turn[] {
  return messages.map(({ role, content }) => ({ role, content }))
}

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : (JSON.stringify(value) ?? typeof value)
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}

/** A row in TRL's columns, with the votes behind it. */
export interface TrlRow {
  readonly prompt: Said
  readonly chosen: Said
  readonly rejected: Said
  readonly votes: readonly [forChosen: number, forRejected: number]
}

/** What people said in TRL's columns, and how many pairs are left out because nobody judged them or neither side is better. */
export function trlRows(pairs: readonly StoredPair[], labels: readonly Label[]): { rows: TrlRow[]; open: number; ties: number } {
  const known = tally(labels)
  const rows: TrlRow[] = []
  let [open, ties] = [0, 0]
  for (const { id, prompt, a, b } of pairs) {
    const votes: Tally = known.get(id) ?? { a: 0, b: 0, judged: 0 }
    if (votes.judged === 0) open++
    else if (votes.a === votes.b) ties++
    else if (votes.a > votes.b) rows.push({ prompt, chosen: a, rejected: b, votes: [votes.a, votes.b] })
    else rows.push({ prompt, chosen: b, rejected: a, votes: [votes.b, votes.a] })
  }
  return { rows, open, ties }
}
