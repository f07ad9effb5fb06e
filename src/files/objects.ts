import { open, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { csvObjects, isCsv } from './csv.ts'
import { jsonArrayObjects } from './json-array.ts'
import { type JsonLine, jsonLinesOf, readJsonObjects } from './json-lines.ts'
import { textBytes } from './lines.ts'
import { parquetObjects } from './parquet.ts'

/**
 * Reads rows as objects from whatever file of rows it is, one at a time: JSON lines, a JSON array, CSV by its name (.csv, .tsv), Parquet by its
 * first bytes; text may be packed by gzip. `line` is the line of JSON lines, and in the other files the row, counted from 1.
 *
 * throws  UserError when the file can not be read, or is none of these; a row that is no object is yielded with its fault
 */
export async function* readObjects(file: string): AsyncGenerator<JsonLine> {
  if (file.endsWith('.shards')) return yield* shards(file)
  if (await isParquet(file)) return yield* parquetObjects(file)
  if (isCsv(file)) return yield* csvObjects(file)
  const { first, all } = await withFirst(textBytes(file))
  yield* first === '[' ? jsonArrayObjects(all) : jsonLinesOf(file, all)
}

/** Rows of the files that a list names, beside it, one after the other; `line` counts on. */
async function* shards(list: string): AsyncGenerator<JsonLine> {
  let before = 0
  for await (const { value } of readJsonObjects(list)) {
    let last = 0
    for await (const read of readObjects(join(dirname(list), String(value.path)))) {
      last = read.line
      yield { ...read, line: before + last }
    }
    before += last
  }
}

/** Whether a file is Parquet, by its first bytes. */
export async function isParquet(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => undefined)
  if (!found?.isFile()) return false
  const handle = await open(file)
  try {
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, 0)
    return buffer.toString('latin1') === 'PAR1'
  } finally {
    await handle.close()
  }
}

/** A stream with the first character that is neither blank nor a byte-order mark. */
export async function withFirst(chunks: AsyncGenerator<Buffer>): Promise<{ first: string; all: AsyncGenerator<Buffer> }> {
  const read: Buffer[] = []
  let first = ''
  while (first === '') {
    const next = await chunks.next()
    if (next.done) break
    read.push(next.value)
    first = Buffer.concat(read)
      .toString('utf8')
      .replace(/^\ufeff/, '')
      .trimStart()
      .slice(0, 1)
  }
  return { first, all: following(read, chunks) }
}

async function* following(read: readonly Buffer[], rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield* read
  yield* rest
}
