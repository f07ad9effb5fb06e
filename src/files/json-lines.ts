import { stat } from 'node:fs/promises'
import { UserError } from '../graph/errors.ts'
import { linesOf, longestLine, textBytes } from './lines.ts'
import { decodeUtf8 } from './utf8.ts'

/** A line of a file of JSON lines: an object, or what is wrong with it. */
export type JsonLine = {
  /** Counted from 1. */
  readonly line: number
  /** The line as it came, without the space around it. */
  readonly raw: string
} & (
  | { readonly value: Readonly<Record<string, unknown>> }
  | { readonly fault: 'not UTF-8' | 'bad JSON' | 'wrong shape'; readonly detail: string }
)

export interface Reading {
  /** What becomes of a last line that no line feed ends: in a file of our own it was cut off while it was written. Default `read`. */
  readonly torn?: 'read' | 'leave out'
}

/**
 * Reads JSON lines, plain or packed by gzip, one at a time. Blank lines are left out; a byte-order mark and Windows line ends are no matter.
 *
 * throws  UserError when the file can not be read or unpacked, and when it is one JSON document instead (an array, or an object over
 *         several lines); a line that is no JSON object is yielded with its fault
 */
export async function* readJsonLines(file: string, { torn = 'read' }: Reading = {}): AsyncGenerator<JsonLine> {
  yield* jsonLinesOf(file, textBytes(file), { torn })
}

/** The same from the bytes of a file, which is named in errors. */
export async function* jsonLinesOf(file: string, chunks: AsyncIterable<Buffer>, { torn = 'read' }: Reading = {}): AsyncGenerator<JsonLine> {
  let first = true
  for await (const { line, ended, ...rest } of linesOf(chunks)) {
    if (!ended && torn === 'leave out') return
    const read = lineOf(line, rest)
    if (!read) continue
    if (first && 'fault' in read && read.fault !== 'not UTF-8') await refuseDocument(file)
    first = false
    yield read
  }
}

/** What bytes hold that must be a JSON object; nothing where they are blank. */
export function lineOf(line: number, { bytes, cut }: { readonly bytes: Uint8Array; readonly cut: boolean }): JsonLine | undefined {
  const read = cut
    ? { raw: '', fault: 'bad JSON' as const, detail: `a row must be at most ${longestLine / 2 ** 20} MiB long` }
    : parseLine(bytes)
  return read && { line, ...read }
}

/**
 * The same for files in which every line must be right.
 *
 * throws  UserError as readJsonLines, and with the line that is no JSON object
 */
export async function* readJsonObjects(
  file: string,
  reading: Reading = {},
): AsyncGenerator<{ line: number; raw: string; value: Readonly<Record<string, unknown>> }> {
  for await (const read of readJsonLines(file, reading)) {
    if (!('value' in read)) throw lineError(`${file}:${read.line}`, read)
    yield read
  }
}

/**
 * Reads one line that must be a JSON object; `where` leads the error.
 *
 * throws  UserError when it is not
 */
export function parseJsonObject(where: string, bytes: Uint8Array): Readonly<Record<string, unknown>> {
  const read = parseLine(bytes) ?? { raw: '', fault: 'bad JSON' as const, detail: 'nothing' }
  if ('value' in read) return read.value
  throw lineError(where, read)
}

function lineError(where: string, { raw, fault, detail }: { raw: string; fault: string; detail: string }): UserError {
  if (fault === 'not UTF-8') return new UserError(`${where}: must be UTF-8 text, got ${detail}; save it as UTF-8`)
  return new UserError(`${where}: must be a JSON object on one line, got ${JSON.stringify(raw.slice(0, 80))}; mend the line`)
}

type Parsed = { raw: string } & ({ value: Record<string, unknown> } | { fault: 'not UTF-8' | 'bad JSON' | 'wrong shape'; detail: string })

/** Nothing for a blank line. */
function parseLine(bytes: Uint8Array): Parsed | undefined {
  const decoded = decodeUtf8(bytes)
  if ('fault' in decoded) return { raw: new TextDecoder().decode(bytes).trim(), fault: 'not UTF-8', detail: decoded.fault }
  const raw = decoded.text.trim()
  if (raw === '') return undefined
  let value: unknown
  try {
    value = JSON.parse(raw)
  } catch (error) {
    return { raw, fault: 'bad JSON', detail: (error as Error).message }
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { raw, value: value as Record<string, unknown> }
  return { raw, fault: 'wrong shape', detail: `a row must be an object, got ${kindOf(value)}` }
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`
}

/** A document larger than this is not read to say what it is. */
const largestDocument = 2 ** 28

/** Refuses a file that holds one JSON document instead of lines, by what it is. throws UserError */
export async function refuseDocument(file: string): Promise<void> {
  const { isFile, size } = await stat(file).then((found) => ({ isFile: found.isFile(), size: found.size }))
  if (!isFile || size > largestDocument) return
  const chunks: Buffer[] = []
  for await (const chunk of textBytes(file)) chunks.push(chunk)
  const read = parseLine(Buffer.concat(chunks))
  const must = `${file}: must hold one JSON object a line`
  if (read && 'value' in read) {
    const fields = Object.keys(read.value)
    throw new UserError(
      `${must}, got one JSON object over several lines, with ${fields.slice(0, 5).join(', ') || 'nothing'}; write each row on a line of its own`,
    )
  }
  if (read?.fault === 'wrong shape' && read.raw.startsWith('['))
    throw new UserError(
      `${must}, got a JSON array; write each of its items on a line of its own, without the brackets and commas around them`,
    )
}
