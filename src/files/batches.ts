import { isCsv } from './csv.ts'
import { type JsonLine, lineOf, refuseDocument } from './json-lines.ts'
import { linesOf, textBytes } from './lines.ts'
import { isParquet, readObjects, withFirst } from './objects.ts'

/** A row of a file before it is parsed, which may be done in another thread; or what is wrong with it. */
export type Unread =
  | { readonly line: number; readonly bytes: Uint8Array; readonly cut: boolean }
  | { readonly line: number; readonly json: string }
  | (JsonLine & { readonly fault: unknown })

/** How much is read at once. units bytes */
const batchBytes = 2 ** 18

/**
 * The rows of a file as readObjects gives them, some hundred kilobytes at a time, each still to be parsed by `parsed`.
 *
 * throws  UserError as readObjects
 */
export async function* readUnparsed(file: string): AsyncGenerator<Unread[]> {
  let batch: Unread[] = []
  let size = 0
  for await (const one of unparsed(file)) {
    batch.push(one)
    size += sizeOf(one)
    if (size < batchBytes) continue
    yield batch
    batch = []
    size = 0
  }
  if (batch.length > 0) yield batch
}

/** What a row takes in its file, unpacked. units bytes, or characters where they are what there is */
export function sizeOf(one: Unread): number {
  if ('bytes' in one) return one.bytes.length
  return 'json' in one ? one.json.length : one.raw.length
}

/** What a row holds; nothing where it is blank. */
export function parsed(one: Unread): JsonLine | undefined {
  if ('bytes' in one) return lineOf(one.line, one)
  if ('json' in one) return { line: one.line, raw: one.json, value: JSON.parse(one.json) as Record<string, unknown> }
  return one
}

async function* unparsed(file: string): AsyncGenerator<Unread> {
  if (!file.endsWith('.shards') && !isCsv(file) && !(await isParquet(file))) {
    const { first, all } = await withFirst(textBytes(file))
    if (first !== '[') return yield* linesUnparsed(file, all)
    await all.return(undefined)
  }
  for await (const read of readObjects(file)) yield 'fault' in read ? read : { line: read.line, json: read.raw }
}

async function* linesUnparsed(file: string, bytes: AsyncIterable<Buffer>): AsyncGenerator<Unread> {
  let first = true
  for await (const { line, bytes: own, cut } of linesOf(bytes)) {
    if (first) {
      const read = lineOf(line, { bytes: own, cut })
      if (!read) continue
      if ('fault' in read && read.fault !== 'not UTF-8') await refuseDocument(file)
      first = false
    }
    yield { line, bytes: own, cut }
  }
}
