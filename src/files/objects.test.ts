import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { jsonArrayObjects } from './json-array.ts'
import { readObjects } from './objects.ts'

const folder = mkdtempSync(join(tmpdir(), 'innate-objects-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const read: T[] = []
  for await (const row of rows) read.push(row)
  return read
}

const values = async (path: string) => (await all(readObjects(path))).map((row) => ('value' in row ? row.value : row.detail))

describe('readObjects', () => {
  it('reads the items of a JSON array as JSON.parse does, however its bytes come in pieces', async () => {
    const objects = fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(objects, fc.integer({ min: 1, max: 7 }), fc.constantFrom('', ' ', '\r\n'), async (items, step, gap) => {
        const text = Buffer.from(`\ufeff${gap}[${gap}${items.map((item) => JSON.stringify(item, null, gap)).join(`${gap},`)}${gap}]${gap}`)
        async function* pieces() {
          for (let at = 0; at < text.length; at += step) yield text.subarray(at, at + step)
        }
        const read = await all(jsonArrayObjects(pieces()))
        expect(read.map((row) => 'value' in row && row.value)).toEqual(items.map((item) => JSON.parse(JSON.stringify(item))))
        expect(read.map(({ line }) => line)).toEqual(items.map((_, i) => i + 1))
      }),
      { numRuns: 60 },
    )
  })

  it.each<[string, string, unknown[]]>([
    ['an item that is no object', '[{"a":1},3,{"b":2}]', [{ a: 1 }, 'a row must be an object, got a number', { b: 2 }]],
    [
      'an array that is cut off',
      '[{"a":1},{"b":"\\"',
      [{ a: 1 }, 'the array must be closed by ], got the end of the file; is it cut off?'],
    ],
    ['more after the end', '[{"a":1}]\n{"b":2}', [{ a: 1 }, 'after the array there must be nothing, got "{\\"b\\":2}"']],
    ['no item', '\n[ ]', []],
    ['objects one a line', '{"a":1}\n{"b":2}', [{ a: 1 }, { b: 2 }]],
    ['nothing', '', []],
  ])('reads %s', async (_, text, rows) => {
    expect(await values(file('rows.json', text))).toEqual(rows)
    expect(await values(file('rows.json.gz', gzipSync(text)))).toEqual(rows)
  })

  it.each([
    [',', 'a.csv'],
    [';', 'a.csv'],
    ['\t', 'a.tsv'],
  ])('reads a table whose cells are parted by %j', async (mark, name) => {
    const text = `\ufeffa${mark}"b"\r\n1${mark}"x ""y""${mark}\nz"\r\n\r\n2\r\n3${mark}4${mark}5\r\n6${mark}7`
    const wrong = expect.stringContaining('a row must have 2 cells, as the first line has')
    expect(await values(file(name, text))).toEqual([{ a: '1', b: `x "y"${mark}\nz` }, wrong, wrong, { a: '6', b: '7' }])
  })

  it.each<[string, string, string | Uint8Array, RegExp]>([
    ['two columns of one name', 'a.csv', 'a,b,a\n1,2,3', /a\.csv: columns must have different names, got a twice/],
    ['a column without a name', 'a.csv', 'a,,b\n1,2,3', /got none for column 2/],
    ['a quote that is not closed', 'a.csv', 'a,b\n1,2\n"3', /got a quote that is not closed; mend it/],
    ['Latin 1', 'a.csv', Buffer.from('a,b\n\xe9,2', 'latin1'), /a\.csv: must be UTF-8 text/],
    ['half a Parquet file', 'a.parquet', 'PAR1\x15\x04', /a\.parquet: must be a whole Parquet file that can be read/],
  ])('refuses %s', async (_, name, content, message) => {
    const reading = values(file(name, content))
    await expect(reading).rejects.toThrow(UserError)
    await expect(reading).rejects.toThrow(message)
  })

  it('refuses a folder and what is not there', async () => {
    await expect(values(folder)).rejects.toThrow(/must be a file, got a folder/)
    await expect(values(join(folder, 'nowhere'))).rejects.toThrow(/must exist, got no such file/)
  })
})
