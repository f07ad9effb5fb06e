import { z } from 'zod'
import { readJsonLines } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import type { Label, NewPair, Said, StoredPair, Turn } from './store.ts'
import { type Tally, tally } from './tally.ts'

/** A pair of a file, with the votes that stand there: for a, for b. */
export interface FilePair extends NewPair {
  readonly votes?: readonly [number, number]
}

const turns = z.array(z.object({ role: z.string(), content: z.string() })).min(1)
const said = z.union([z.string(), turns], { error: 'must be a text, or a list of messages with role and content' })
const votes = z.tuple([z.number().min(0), z.number().min(0)], { error: 'must be two numbers ≥ 0' }).optional()
const preferred = z.object({ prompt: said.optional(), chosen: said, rejected: said, votes })
const open = z.object({ prompt: said, a: said, b: said, votes })

/**
 * Reads pairs from JSON lines: TRL's columns (`prompt`, `chosen`, `rejected`, as text or messages, the prompt explicit or what both sides begin
 * with), or `prompt`, `a`, `b` where nothing was chosen. Of TRL's, the chosen side is a and has the vote; of the other, votes are where they stand.
 *
 * Rows that cannot be read are set aside, each with its line and why.
 *
 * throws  UserError for a file that cannot be read, or without a row that can be used
 */
export async function readPairFile(file: string): Promise<{ pairs: FilePair[]; aside: string[] }> {
  const pairs: FilePair[] = []
  const aside: string[] = []
  for await (const read of readJsonLines(file)) {
    const where = `${file}:${read.line}`
    const found = 'fault' in read ? `${where}: ${read.fault}: ${read.detail}` : pairOf(where, read.value, file)
    if (typeof found === 'string') aside.push(found)
    else pairs.push(found)
  }
  if (pairs.length === 0)
    throw new UserError(
      aside[0] ?? `${file}: must hold pairs, got no row; give a file with prompt, chosen and rejected, or prompt, a and b`,
    )
  return { pairs, aside }
}

/** A row as a pair, or why it is none. */
function pairOf(where: string, value: object, source: string): FilePair | string {
  const chosen = 'chosen' in value || 'rejected' in value
  const parsed = (chosen ? preferred : open).safeParse(value)
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!
    return `${where}: ${path.join('.') || 'a row'} ${message.startsWith('must') ? message : `must be there (${message})`}, got ${shown(path.reduce<unknown>((x, key) => (x as Record<PropertyKey, unknown> | undefined)?.[key], value))}; give prompt, chosen and rejected, or prompt, a and b`
  }
  const { data } = parsed
  if ('a' in data) return { prompt: data.prompt, a: data.a, b: data.b, source, ...(data.votes ? { votes: data.votes } : {}) }
  const { prompt, chosen: a, rejected: b, votes = [1, 0] } = data
  if (prompt !== undefined) return { prompt, a, b, source, votes }
  if (typeof a === 'string' || typeof b === 'string') return `${where}: prompt must be there where the sides are text, got nothing; add it`
  const shared = sharedTurns(a, b)
  if (shared === 0 || shared === a.length || shared === b.length)
    return `${where}: chosen and rejected must begin with the same messages and then differ, got other talks; add prompt`
  return { prompt: a.slice(0, shared), a: a.slice(shared), b: b.slice(shared), source, votes }
}

function sharedTurns(a: readonly Turn[], b: readonly Turn[]): number {
  const differs = a.findIndex(({ role, content }, i) => b[i]?.role !== role || b[i].content !== content)
  return differs < 0 ? a.length : differs
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
