import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { z } from 'zod'
import { UserError } from '../graph/errors.ts'
import type { Quarantined } from './quarantine.ts'

const ids = z.array(z.int().nonnegative())
const votes = z.unknown().optional()

/** Pairs as text, pairs already tokenised as TRL writes them, and unpaired text; other columns are left alone. */
const pairText = z
  .object({ prompt: z.string(), chosen: z.string(), rejected: z.string(), votes })
  .transform((row) => ({ form: 'pairText' as const, ...row }))
const pairIds = z
  .object({ prompt_ids: ids, chosen_ids: ids, rejected_ids: ids, votes })
  .transform((row) => ({ form: 'pairIds' as const, ...row }))
const labelledText = z
  .object({ prompt: z.string(), completion: z.string(), label: z.boolean() })
  .transform((row) => ({ form: 'labelledText' as const, ...row }))

/** A row of one of the three forms. Its columns say which: ids go before text, since TRL keeps the text beside them. */
export type PreferenceRow = z.infer<typeof pairText> | z.infer<typeof pairIds> | z.infer<typeof labelledText>

/** One row of a file: well formed, or set aside with its reason. */
export type ReadRow<Row = PreferenceRow> = { readonly line: number; readonly raw: string } & (
  | { readonly row: Row }
  | { readonly bad: Quarantined }
)

/**
 * Reads preference rows from JSON lines, plain or gzipped (`.gz`), one at a time. Blank lines are not rows; a byte-order mark and
 * Windows line ends are no matter.
 *
 * throws  UserError when the file can not be read or unpacked; a row that can not be read is yielded as bad, never thrown
 */
export function readRows(file: string): AsyncGenerator<ReadRow> {
  return readRowsAs(file, formOf)
}

/** The same for rows of any forms, of which `formOf` says the one that a row's columns show. */
export async function* readRowsAs<Row>(file: string, formOf: (row: object) => z.ZodType<Row>): AsyncGenerator<ReadRow<Row>> {
  for await (const { line, bytes } of readLines(file)) {
    const row = parseLine(line, bytes, formOf)
    if (row) yield row
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function parseLine<Row>(line: number, bytes: Buffer, formOf: (row: object) => z.ZodType<Row>): ReadRow<Row> | undefined {
  let raw = bytes.toString('utf8')
  const bad = (reason: Quarantined['reason'], detail: string): ReadRow<Row> => ({ line, raw, bad: { line, reason, detail, raw } })
  try {
    raw = utf8.decode(bytes).trim()
  } catch {
    return bad('bad JSON', 'the line is not UTF-8 text')
  }
  if (raw === '') return undefined
  let value: unknown
  try {
    value = JSON.parse(raw)
  } catch (error) {
    return bad('bad JSON', (error as Error).message)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return bad('wrong shape', `a row must be an object, got ${kindOf(value)}`)
  }
  const parsed = formOf(value).safeParse(value)
  return parsed.success ? { line, raw, row: parsed.data } : bad('wrong shape', parsed.error.issues.map(problem(value)).join('; '))
}

function formOf(row: object): z.ZodType<PreferenceRow> {
  if ('prompt_ids' in row || 'chosen_ids' in row || 'rejected_ids' in row) return pairIds
  return 'completion' in row || 'label' in row ? labelledText : pairText
}

function problem(row: object) {
  return ({ path, message }: z.core.$ZodIssue) => {
    const got = at(row, path)
    const name = path.join('.')
    if (got === undefined) return `${name}: missing`
    // TRL's conversational rows; they become text through the model's chat template.
    if (Array.isArray(got) && !name.endsWith('_ids'))
      return `${name}: must be text, got a list of messages; write it out with the model's chat template`
    return `${name}: ${message.replace('Invalid input: ', '').replace('received', 'got')}`
  }
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key], value)
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`
}

/** Lines as bytes, cut at line feeds only: JSON text may hold U+2028, which node:readline would cut at. */
async function* readLines(file: string): AsyncGenerator<{ line: number; bytes: Buffer }> {
  let line = 0
  let rest: Buffer[] = []
  for await (const chunk of chunks(file)) {
    let from = 0
    for (let to = chunk.indexOf(10); to >= 0; to = chunk.indexOf(10, from)) {
      yield { line: ++line, bytes: Buffer.concat([...rest, chunk.subarray(from, to)]) }
      rest = []
      from = to + 1
    }
    if (from < chunk.length) rest.push(chunk.subarray(from))
  }
  if (rest.length > 0) yield { line: ++line, bytes: Buffer.concat(rest) }
}

async function* chunks(file: string): AsyncGenerator<Buffer> {
  const source = createReadStream(file)
  const stream = file.endsWith('.gz') ? source.pipe(createGunzip()) : source
  source.on('error', (error) => stream.destroy(error))
  try {
    for await (const chunk of stream) yield chunk as Buffer
  } catch (cause) {
    throw unreadable(file, cause as NodeJS.ErrnoException)
  }
}

function unreadable(file: string, cause: NodeJS.ErrnoException): UserError {
  const said =
    cause.code === 'ENOENT'
      ? `must exist, got no such file; check the path`
      : cause.code === 'EISDIR'
        ? `must be a file, got a folder; name a .jsonl or .jsonl.gz file in it`
        : file.endsWith('.gz')
          ? `must be a whole gzip file, got "${cause.message}"; fetch or pack it again`
          : `must be readable, got "${cause.message}"; check the file and its permissions`
  return new UserError(`${file}: ${said}`, { cause })
}
