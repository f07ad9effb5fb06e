import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { type JsonLine, parseJsonObject, readJsonLines, readJsonObjects } from './json-lines.ts'
import { linesOf } from './lines.ts'

const folder = mkdtempSync(join(tmpdir(), 'innate-json-lines-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(content: string | Uint8Array, name = 'rows.jsonl'): string {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}
async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const row of rows) found.push(row)
  return found
}
const values = (rows: readonly JsonLine[]) => rows.map((row) => ('value' in row ? row.value : row.fault))

describe('readJsonLines', () => {
  const rows = [{ a: 'one' }, { a: 'two\u2028and\u2029three\u0085' }, { a: '🦄' }]
  const text = rows.map((row) => JSON.stringify(row)).join('\n')
  it.each<[string, string | Uint8Array, string?]>([
    ['plain', text],
    ['with a last line feed', `${text}\n`],
    ['with Windows line ends and blank lines', `\r\n${text.replaceAll('\n', '\r\n\r\n  \r\n')}\r\n`],
    ['after a byte-order mark', `\ufeff${text}`],
    ['after a byte-order mark and a blank line', `\ufeff\n\ufeff${text}`],
    ['packed', gzipSync(text), 'rows.jsonl.gz'],
    ['packed under another name', gzipSync(text)],
    ['packed in two parts', Buffer.concat([gzipSync(`${text.slice(0, 20)}`), gzipSync(text.slice(20))])],
  ])('reads the same rows %s', async (_, content, name) => {
    expect(values(await all(readJsonLines(file(content, name))))).toEqual(rows)
  })

  it('gives every line its number and what is wrong with it', async () => {
    const content = Buffer.concat([
      ...[Buffer.from('{"a": 1}\n\n{"a": \n'), Buffer.from('{"a": "caf\xe9 was"}\n', 'latin1')],
      ...[Buffer.from('[1]\nnull\n"x"\n{"a": "\ufffd"}\n'), Buffer.from([0xe2, 0x82])],
    ])
    const read = await all(readJsonLines(file(content)))
    expect(read.map(({ line }) => line)).toEqual([1, 3, 4, 5, 6, 7, 8, 9])
    expect(values(read)).toEqual([
      { a: 1 },
      ...['bad JSON', 'not UTF-8', 'wrong shape', 'wrong shape', 'wrong shape'],
      { a: '\ufffd' },
      'not UTF-8',
    ])
    const details = read.flatMap((row) => ('fault' in row ? [row.detail] : []))
    expect(details[1]).toBe('byte 0xe9 (place 11) is no UTF-8')
    expect(details.slice(2)).toEqual([
      'a row must be an object, got an array',
      'a row must be an object, got null',
      'a row must be an object, got a string',
      'byte 0xe2 (place 1) is no UTF-8',
    ])
  })

  const utf16 = Buffer.from('\ufeff{"a": 1}\n', 'utf16le')
  const items = '{"prompt": "x"}'
  it.each<[string, string | Uint8Array, RegExp, string?]>([
    ['UTF-16', utf16, /rows\.jsonl: must be UTF-8 text, plain or packed by gzip, got UTF-16; save it as UTF-8/],
    ['UTF-16, the high byte first', Buffer.from(utf16).swap16(), /got UTF-16/],
    ['UTF-16 without its mark', Buffer.from('{"a": 1}\n', 'utf16le'), /got UTF-16/],
    ['UTF-16 inside gzip', gzipSync(utf16), /got UTF-16/],
    ['Parquet', 'PAR1\x15\x04', /got Parquet; write its rows as JSON lines/],
    ['a zip archive', 'PK\x03\x04rest', /got a zip archive; unpack it/],
    ['zstandard', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0]), /got zstandard; unpack it, or pack it with gzip/],
    [
      'an array on one line',
      `[${items}, ${items}]`,
      /rows\.jsonl: must hold one JSON object a line, got a JSON array; write each of its items/,
    ],
    ['an array over lines', `[\n ${items},\n ${items}\n]\n`, /got a JSON array; write each/],
    ['an array after a mark', `\ufeff\n[\n${items}]`, /got a JSON array; write each/],
    ['an object over lines', `{\n"rows": [${items}],\n"n": 1}`, /got one JSON object over several lines, with rows, n; write each row/],
    ['a packed array', gzipSync(`[\n${items}\n]`), /got a JSON array/],
    ['half a gzip file', gzipSync('x'.repeat(100)).subarray(0, 20), /must be a whole gzip file/, 'half.gz'],
    ['no gzip under its name', '{"a": 1}\n', /must be a whole gzip file, got ".*"; fetch or pack it again/, 'plain.gz'],
  ])('refuses %s by its name', async (_, content, message, name) => {
    const reading = all(readJsonLines(file(content, name)))
    await expect(reading).rejects.toThrow(UserError)
    await expect(reading).rejects.toThrow(message)
  })

  it('refuses what is not there and a folder', async () => {
    await expect(all(readJsonLines(join(folder, 'nowhere')))).rejects.toThrow(/nowhere: must exist, got no such file; check the path/)
    await expect(all(readJsonLines(folder))).rejects.toThrow(/must be a file, got a folder/)
  })

  it('takes an array among objects, and an only line that is torn, for lines that are wrong', async () => {
    expect(values(await all(readJsonLines(file('[1, 2]\n{"a": 1}\n'))))).toEqual(['wrong shape', { a: 1 }])
    expect(values(await all(readJsonLines(file('{"a": '))))).toEqual(['bad JSON'])
    expect(values(await all(readJsonLines(file('7'))))).toEqual(['wrong shape'])
  })

  it('leaves out a torn last line where it was asked to, though it may look whole', async () => {
    const read = (content: string) => all(readJsonLines(file(content), { torn: 'leave out' }))
    expect(values(await read('{"a": 1}\n{"a": 2}'))).toEqual([{ a: 1 }])
    expect(values(await read('{"a": 1}\n{"a": 2}\n'))).toEqual([{ a: 1 }, { a: 2 }])
    expect(await read('{"a": 1}')).toEqual([])
  })
})

describe('readJsonObjects', () => {
  it('refuses the first line that is no object', async () => {
    await expect(all(readJsonObjects(file('{"a": 1}\nnull\n')))).rejects.toThrow(
      /rows\.jsonl:2: must be a JSON object on one line, got "null"; mend the line/,
    )
    await expect(all(readJsonObjects(file(Buffer.from('{"a": 1}\n{"a": "\xe9"}', 'latin1'))))).rejects.toThrow(
      /rows\.jsonl:2: must be UTF-8 text, got byte 0xe9 \(place 8\) is no UTF-8; save it as UTF-8/,
    )
    expect(() => parseJsonObject('here', Buffer.from(' '))).toThrow(/here: must be a JSON object on one line, got ""/)
    expect(parseJsonObject('here', Buffer.from(' {"a": 1}\r'))).toEqual({ a: 1 })
  })
})

describe('linesOf', () => {
  it('cuts at line feeds alone, wherever the chunks end', async () => {
    const bytes = fc.uint8Array({ max: 14, maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(bytes, fc.array(fc.nat(60), { maxLength: 5 }), async (given, cuts) => {
        const whole = Buffer.from(given)
        const ends = [...cuts.map((at) => Math.min(at, whole.length)), whole.length].sort((a, b) => a - b)
        const chunks = ends.map((end, i) => whole.subarray(ends[i - 1] ?? 0, end))
        const lines = await all(linesOf(Readable.from(chunks)))
        expect(Buffer.concat(lines.flatMap(({ bytes, ended }) => (ended ? [bytes, Buffer.from('\n')] : [bytes])))).toEqual(whole)
        expect(lines.every(({ bytes, line }, i) => !bytes.includes(10) && line === i + 1)).toBe(true)
        expect(lines.slice(0, -1).every(({ ended }) => ended)).toBe(true)
      }),
    )
  })
})
