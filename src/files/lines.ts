/// <reference types="node" preserve="true" />
import { createReadStream } from 'node:fs'
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { UserError } from '../graph/errors.ts'

/** A line of a file as bytes, without its line feed. */
export interface Line {
  /** Counted from 1. */
  readonly line: number
  readonly bytes: Buffer
  /** Whether a line feed ends it; only the last line of a file may have none. */
  readonly ended: boolean
  /** Its first bytes alone are here, since it is longer than `longestLine`. */
  readonly cut: boolean
}

/** In bytes; longer than any row, and short enough for a string. */
export const longestLine = 2 ** 28

/** Lines of a stream of bytes, cut at line feeds alone: JSON text may hold U+2028 and U+2029, at which node:readline cuts. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Line> {
  let line = 0
  let parts: Buffer[] = []
  let length = 0
  const add = (part: Buffer) => {
    if (length < longestLine) parts.push(part)
    length += part.length
  }
  const take = (ended: boolean): Line => {
    const made = { line: ++line, bytes: Buffer.concat(parts), ended, cut: length > longestLine }
    parts = []
    length = 0
    return made
  }
  for await (const chunk of chunks) {
    let from = 0
    for (let to = chunk.indexOf(10); to >= 0; to = chunk.indexOf(10, from)) {
      add(chunk.subarray(from, to))
      yield take(true)
      from = to + 1
    }
    if (from < chunk.length) add(chunk.subarray(from))
  }
  if (length > 0) yield take(false)
}

/**
 * Bytes of a text file, unpacked where it is gzip, whatever its name.
 *
 * throws  UserError when it can not be read or unpacked, and for what is no UTF-8 text, by its name: UTF-16, Parquet, another archive
 */
export async function* textBytes(file: string): AsyncGenerator<Buffer> {
  const source = createReadStream(file)
  let gzip = file.endsWith('.gz')
  try {
    const { head, all } = await withHead(source)
    gzip ||= head[0] === 0x1f && head[1] === 0x8b
    let first = true
    for await (const chunk of gzip ? unpacked(all) : all) {
      if (first) refuseOthers(file, chunk)
      first = false
      yield chunk
    }
  } catch (cause) {
    throw cause instanceof UserError ? cause : unreadable(file, gzip, cause as NodeJS.ErrnoException)
  } finally {
    source.destroy()
  }
}

/** What a file of text may turn out to be, by its first bytes. */
const others: readonly { readonly name: string; readonly todo: string; readonly begins: (head: Buffer) => boolean }[] = [
  { name: 'UTF-16', todo: 'save it as UTF-8', begins: (b) => (b[0] === 0xff && b[1] === 0xfe) || (b[0] === 0xfe && b[1] === 0xff) },
  { name: 'UTF-16', todo: 'save it as UTF-8', begins: (b) => b.length > 1 && (b[0] === 0) !== (b[1] === 0) },
  { name: 'Parquet', todo: 'write its rows as JSON lines', begins: (b) => b.toString('latin1', 0, 4) === 'PAR1' },
  { name: 'a zip archive', todo: 'unpack it', begins: (b) => b.toString('latin1', 0, 4) === 'PK\x03\x04' },
  { name: 'zstandard', todo: 'unpack it, or pack it with gzip', begins: (b) => b.length > 3 && b.readUInt32LE(0) === 0xfd2fb528 },
]

function refuseOthers(file: string, head: Buffer): void {
  const found = others.find(({ begins }) => begins(head))
  if (found) throw new UserError(`${file}: must be UTF-8 text, plain or packed by gzip, got ${found.name}; ${found.todo}`)
}

/** A stream with its first bytes; it may be a pipe, which cannot be read twice. */
async function withHead(source: AsyncIterable<Buffer>): Promise<{ head: Buffer; all: AsyncIterable<Buffer> }> {
  const rest = source[Symbol.asyncIterator]()
  let head: Buffer = Buffer.alloc(0)
  while (head.length < 4) {
    const next = await rest.next()
    if (next.done) break
    head = Buffer.concat([head, next.value])
  }
  return { head, all: following(head, rest) }
}

async function* following(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
}

function unpacked(packed: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  // A failure reaches whoever reads the last stream.
  return pipeline(Readable.from(packed), createGunzip(), () => {})
}

function unreadable(file: string, gzip: boolean, cause: NodeJS.ErrnoException): UserError {
  const { code } = cause
  const said =
    code === 'ENOENT'
      ? 'must exist, got no such file; check the path'
      : code === 'EISDIR'
        ? 'must be a file, got a folder; name a file in it'
        : gzip && (code === undefined || code.startsWith('Z_'))
          ? `must be a whole gzip file, got "${cause.message}"; fetch or pack it again`
          : `must be readable, got "${cause.message}"; check the file and its permissions`
  return new UserError(`${file}: ${said}`, { cause })
}
