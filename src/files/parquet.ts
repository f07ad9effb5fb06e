import { open } from 'node:fs/promises'
import type { AsyncBuffer, FileMetaData } from 'hyparquet'
import { UserError } from '../graph/errors.ts'
import type { JsonLine } from './json-lines.ts'

/** units bytes, unpacked; a group of rows is held in memory at once */
const largestGroup = 2 ** 29
const rowsAtOnce = 2048

/**
 * The rows of a Parquet file as objects, one group of rows after the other. `line` is the row, counted from 1.
 *
 * throws  UserError when it is no whole Parquet file, has a codec or an encoding that is not read, or a group of rows of more than 512 MiB
 * limits  whole numbers of 64 bits become numbers; bytes that are no text, and dates, become what JSON makes of them
 */
export async function* parquetObjects(file: string): AsyncGenerator<JsonLine> {
  // Loaded where it is needed: few files are of this kind.
  const [{ parquetMetadataAsync, parquetReadObjects }, { compressors }] = await Promise.all([
    import('hyparquet'),
    import('hyparquet-compressors'),
  ])
  const handle = await open(file)
  try {
    const { size } = await handle.stat()
    const buffer: AsyncBuffer = {
      byteLength: size,
      async slice(start, end = size) {
        const bytes = Buffer.allocUnsafeSlow(end - start)
        await handle.read(bytes, 0, bytes.length, start)
        return bytes.buffer
      },
    }
    const metadata = await attempt(file, () => parquetMetadataAsync(buffer))
    let line = 0
    for (const { from, to } of groupsOf(file, metadata)) {
      const rows = await attempt(file, () =>
        parquetReadObjects({ file: buffer, metadata, compressors, rowStart: from, rowEnd: to, useOffsetIndex: true }),
      )
      for (const row of rows) {
        const value = plain(row) as Record<string, unknown>
        yield { line: ++line, raw: JSON.stringify(value), value }
      }
    }
  } finally {
    await handle.close()
  }
}

/** Which rows are read at once: a group, or parts of it where its pages have an index. */
function* groupsOf(file: string, { row_groups }: FileMetaData): Generator<{ from: number; to: number }> {
  let from = 0
  for (const [i, { num_rows, total_byte_size, columns }] of row_groups.entries()) {
    const to = from + Number(num_rows)
    const indexed = columns.every(({ offset_index_offset }) => offset_index_offset !== undefined)
    if (!indexed && Number(total_byte_size) > largestGroup)
      throw new UserError(
        `${file}: a group of rows must be at most ${largestGroup / 2 ** 20} MiB, got ${Math.round(Number(total_byte_size) / 2 ** 20)} MiB in group ${i + 1}, without an index of its pages; write it again with smaller groups (row_group_size=10000)`,
      )
    const most = indexed && Number(total_byte_size) > largestGroup / 16 ? rowsAtOnce : Number(num_rows)
    for (; from < to; from += most) yield { from, to: Math.min(to, from + most) }
    from = to
  }
}

async function attempt<T>(file: string, make: () => Promise<T>): Promise<T> {
  try {
    return await make()
  } catch (cause) {
    throw new UserError(
      `${file}: must be a whole Parquet file that can be read, got "${(cause as Error).message}"; write or fetch it again`,
      {
        cause,
      },
    )
  }
}

/** Values as JSON has them. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (value === undefined) return null
  if (value instanceof Date || value instanceof Uint8Array) return JSON.parse(JSON.stringify(value))
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]))
  return value
}
