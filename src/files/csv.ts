import { pipeline, Readable } from 'node:stream'
import { type CsvError, parse } from 'csv-parse'
import { UserError } from '../graph/errors.ts'
import type { JsonLine } from './json-lines.ts'
import { longestLine, textBytes } from './lines.ts'

/** Whether a file's name says that it is a table in text: .csv or .tsv, packed or not. */
export function isCsv(file: string): boolean {
  return /\.[ct]sv(\.gz)?$/i.test(file)
}

/**
 * The rows of a table in text as objects of texts, by the names in its first line; the separator is a tab, comma or semicolon, whichever that
 * line has most of. `line` is the row, counted from 1; a row with too many or too few cells is yielded as a fault.
 *
 * throws  UserError when the file can not be read or is not UTF-8, when a column has no name or two have one, and for a quote that is not closed
 */
export async function* csvObjects(file: string): AsyncGenerator<JsonLine> {
  let line = 0
  let names: readonly string[] = []
  const parser = pipeline(
    Readable.from(decoded(file)),
    parse({
      bom: true,
      delimiter: await delimiterOf(file),
      columns: (head: readonly string[]) => (names = checkNames(file, head)) as string[],
      skip_empty_lines: true,
      relax_column_count: true,
      info: true,
      max_record_size: longestLine,
    }),
    () => {},
  )
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: Record<string, string>; info: { error?: CsvError } }>) {
      line++
      const raw = JSON.stringify(record)
      const got = Object.keys(record).length
      yield info.error || got !== names.length
        ? { line, raw, fault: 'wrong shape', detail: `a row must have ${names.length} cells, as the first line has, got ${got} or more` }
        : { line, raw, value: record }
    }
  } catch (cause) {
    if (cause instanceof UserError) throw cause
    const { code } = cause as CsvError
    throw new UserError(
      `${file}: must be CSV, got ${code === 'CSV_QUOTE_NOT_CLOSED' ? 'a quote that is not closed' : `"${(cause as Error).message}"`}; mend it, or write the rows as JSON lines`,
      { cause },
    )
  }
}

async function* decoded(file: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const read = (chunk?: Buffer) => {
    try {
      return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode()
    } catch (cause) {
      throw new UserError(`${file}: must be UTF-8 text, got bytes that are none; save it as UTF-8`, { cause })
    }
  }
  for await (const chunk of textBytes(file)) yield read(chunk)
  yield read()
}

async function delimiterOf(file: string): Promise<string> {
  let head = ''
  for await (const chunk of decoded(file)) {
    head += chunk
    if (/[\r\n]/.test(head)) break
  }
  const bare = head.split(/[\r\n]/)[0]!.replace(/"[^"]*"/g, '')
  const count = (mark: string) => bare.split(mark).length
  return [',', ';', '\t'].reduce((best, mark) => (count(mark) > count(best) ? mark : best))
}

function checkNames(file: string, head: readonly string[]): readonly string[] {
  const blank = head.findIndex((name) => name.trim() === '')
  const twice = head.find((name, i) => head.indexOf(name) !== i)
  // The number of a row, as pandas writes it first, has no name.
  if (blank > 0)
    throw new UserError(`${file}: every column must have a name, got none for column ${blank + 1}; write names in the first line`)
  if (twice !== undefined) throw new UserError(`${file}: columns must have different names, got ${twice} twice; name one otherwise`)
  return head.map((name, i) => (i === 0 && name.trim() === '' ? 'index' : name))
}
