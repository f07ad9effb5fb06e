import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fakeVocabulary } from '../../test/fake-vocabulary.ts'
import { UserError } from '../graph/errors.ts'
import { kindOfFile, loadLabelled, loadPairs } from './load.ts'
import { reasons, writeQuarantine } from './quarantine.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-preferences-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const vocabulary = fakeVocabulary(['bc'])
const good = { prompt: 'a', chosen: 'x', rejected: 'y' }

async function file(name: string, content: string | Buffer): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

function jsonl(...rows: unknown[]): string {
  return rows.map((row) => `${typeof row === 'string' ? row : JSON.stringify(row)}\n`).join('')
}

describe('loadPairs', () => {
  it('sets every kind of bad row aside with its line and reason, and keeps the rest', async () => {
    const bad: [string, unknown][] = [
      ['bad JSON', '{"prompt": "a", '],
      ['wrong shape', '[1, 2]'],
      ['wrong shape', 'null'],
      ['wrong shape', { prompt: 'a', chosen: 'x' }],
      ['wrong shape', { prompt: [{ role: 'user', content: 'a' }], chosen: 'x', rejected: 'y' }],
      ['wrong shape', { prompt_ids: [1, 2.5], chosen_ids: [1], rejected_ids: [2] }],
      ['wrong shape', { prompt: 'a', completion: 'x', label: true }],
      ['bad votes', { ...good, votes: [0, 0] }],
      ['unknown ids', { prompt_ids: [1], chosen_ids: [9999], rejected_ids: [2] }],
      ['empty prompt', { prompt_ids: [], chosen_ids: [1], rejected_ids: [2] }],
      ['empty completion', { ...good, chosen: '' }],
      ['not a token prefix', { prompt: 'ab', chosen: 'c', rejected: 'd' }],
      ['text after an end', { ...good, chosen: 'x</s>y' }],
      ['identical sides', { ...good, rejected: 'x' }],
      ['too long', { ...good, chosen: 'x'.repeat(100) }],
    ]
    // Bytes that are no UTF-8 have a test of their own below, talks theirs beside texts.ts.
    expect(reasons.filter((reason) => !bad.some(([r]) => r === reason))).toEqual(['not UTF-8', 'refused by the template'])
    const rows = bad.map(([, row]) => row)
    const path = await file('bad.jsonl', jsonl(good, ...rows, { ...good, votes: [2, 5] }))
    const loaded = await loadPairs(path, vocabulary)
    expect(loaded.rows).toBe(bad.length + 2)
    expect(loaded.examples.map(({ row, votes }) => [row, votes])).toEqual([
      [0, [1, 0]],
      [bad.length + 1, [2, 5]],
    ])
    expect(loaded.quarantined.map(({ line, reason }) => [line, reason])).toEqual(bad.map(([reason], i) => [i + 2, reason]))
    expect(loaded.quarantined.map(({ raw }) => raw)).toEqual(rows.map((row) => jsonl(row).trim()))
    expect(loaded.quarantined.slice(1).map(({ detail }) => detail)).toEqual([
      'a row must be an object, got an array',
      'a row must be an object, got null',
      'rejected: missing',
      'messages must have a chat template to be written with, got a model that has none',
      'prompt_ids.1: must be a whole number from 0 on, got number 2.5',
      'this must be a pair, got an unpaired row',
      'votes must be two finite numbers ≥ 0, not both 0, got [0,0]; where nobody has a preference, add "gap": true',
      "ids must be below the vocabulary's 257, got 9999",
      'the prompt must have at least one token, got none',
      'chosen must have text, got none',
      "with chosen the prompt's tokens change from token 2 of 3 on: ‹b› becomes ‹bc›",
      'chosen must stop at its end token, got more after it: "y"',
      'chosen and rejected must differ, got the same 2 tokens',
      'prompt and longer completion must have at most 64 tokens, got 103',
    ])
    expect(Object.values(loaded.counts).reduce((a, b) => a + b) + loaded.examples.length).toBe(loaded.rows)
  })

  it.each([
    [{ messages: [{ role: 'user', content: 'a' }] }, 'this must be a pair, got a talk; name the file under texts'],
    [{ conversations: [{ from: 'human', value: 'a' }] }, 'this must be a pair, got a talk; name the file under texts'],
    [{ text: 'a' }, 'this must be a pair, got a text; name the file under texts'],
    [{ prompt: 'a', completion: 'b' }, 'this must be a pair, got a completion without a label; name the file under texts'],
    [{ prompt: 'a' }, 'chosen and rejected, or completion: missing beside prompt'],
    [{ a: 1, b: 2 }, 'columns must be those of a known form, got a, b; say which is what with columns: { prompt, chosen, rejected }'],
  ])('names the form of %j', async (row, detail) => {
    expect((await loadPairs(await file('forms.jsonl', jsonl(good, row)), vocabulary)).quarantined).toMatchObject([
      { reason: 'wrong shape', detail },
    ])
  })

  it('reads the same from plain and gzipped files, with a byte-order mark, Windows line ends, blank lines and no last line end', async () => {
    const text = jsonl(good, { prompt: 'b', chosen: 'x\u2028y', rejected: 'z' })
    const plain = await loadPairs(await file('plain.jsonl', text), vocabulary)
    const packed = await loadPairs(await file('packed.jsonl.gz', gzipSync(text)), vocabulary)
    const odd = await loadPairs(await file('odd.jsonl', `\ufeff\r\n${text.trimEnd().replaceAll('\n', '\r\n\r\n')}`), vocabulary)
    expect(plain.examples.map((pair) => pair.text?.chosen)).toEqual(['x', 'x\u2028y'])
    expect(packed.examples).toEqual(plain.examples)
    expect(odd.examples).toEqual(plain.examples)
    expect(odd.rows).toBe(2)
  })

  it('finds rows across the chunks of a large file, and line numbers with them', async () => {
    const long = { ...good, note: 'é'.repeat(50_000) }
    const loaded = await loadPairs(await file('large.jsonl', jsonl(long, long, long, '{', good)), vocabulary)
    expect([loaded.examples.length, loaded.quarantined[0]!.line]).toEqual([4, 4])
  })

  it('counts blank lines as lines, though not as rows', async () => {
    const loaded = await loadPairs(await file('blank.jsonl', `${jsonl(good)}\n\n{\n${jsonl(good)}`), vocabulary)
    expect(loaded.quarantined.map(({ line }) => line)).toEqual([4])
    expect(loaded.examples.map(({ row }) => row)).toEqual([0, 2])
  })

  it('sets a line that is not UTF-8 aside', async () => {
    const bytes = Buffer.concat([Buffer.from('{"prompt":"'), Buffer.from([0xff]), Buffer.from('"}\n'), Buffer.from(jsonl(good))])
    const loaded = await loadPairs(await file('latin.jsonl', bytes), vocabulary)
    expect(loaded.quarantined).toMatchObject([{ line: 1, reason: 'not UTF-8', detail: 'byte 0xff (place 12) is no UTF-8' }])
  })

  it('prefers ids to text where a row has both, as TRL leaves them', async () => {
    const row = { ...good, prompt_ids: [5], chosen_ids: [6], rejected_ids: [7] }
    const loaded = await loadPairs(await file('both.jsonl', jsonl(row)), vocabulary)
    expect(loaded.examples[0]).toMatchObject({ prompt: [5], chosen: [6], rejected: [7] })
    expect([loaded.verbatim, loaded.endTokens]).toEqual([1, 0])
  })

  it('counts what it did', async () => {
    const path = await file('counts.jsonl', jsonl(good, { prompt: 'ab', chosen: 'c', rejected: 'd</s>' }))
    const seen: number[] = []
    expect(await loadPairs(path, vocabulary, { boundary: 'trim', onRow: (n) => seen.push(n) })).toMatchObject({ trimmed: 1, endTokens: 3 })
    expect(seen).toEqual([1, 2])
  })

  it.each<[string, string, string | Buffer, string]>([
    ['no usable pair', 'none.jsonl', jsonl({ ...good, rejected: 'x' }, '{'), 'got none of 2 rows (1 bad JSON, 1 identical sides)'],
    ['only prompts that are no token prefix', 'cut.jsonl', jsonl({ prompt: 'ab', chosen: 'c', rejected: 'd' }), "boundary to 'trim'"],
    ['no row', 'empty.jsonl', '\n', 'got none of 0 rows'],
    ['half a gzip', 'half.jsonl.gz', gzipSync(jsonl(good)).subarray(0, 20), 'must be a whole gzip file'],
    ['no gzip', 'text.jsonl.gz', jsonl(good), 'must be a whole gzip file'],
  ])('refuses a file with %s', async (_, name, content, says) => {
    const loading = loadPairs(await file(name, content), vocabulary)
    await expect(loading).rejects.toThrow(UserError)
    await expect(loading).rejects.toThrow(says)
  })

  it('refuses a missing file and a folder', async () => {
    await expect(loadPairs(join(folder, 'nowhere.jsonl'), vocabulary)).rejects.toThrow('no such file')
    await expect(loadPairs(join(folder, 'nowhere.jsonl.gz'), vocabulary)).rejects.toThrow('no such file')
    await expect(loadPairs(folder, vocabulary)).rejects.toThrow('got a folder')
  })
})

describe('loadLabelled', () => {
  it('reads unpaired rows and sets pairs aside', async () => {
    const path = await file(
      'labelled.jsonl',
      jsonl({ prompt: 'a', completion: 'x', label: true }, good, { prompt: 'a', completion: 'y', label: 1 }),
    )
    const loaded = await loadLabelled(path, vocabulary)
    expect(loaded.examples).toMatchObject([{ row: 0, label: true, completion: [120, 2] }])
    expect(loaded.quarantined).toMatchObject([
      { line: 2, reason: 'wrong shape', detail: 'this must be an unpaired row, got a pair' },
      { line: 3, reason: 'wrong shape', detail: expect.stringContaining('label') },
    ])
    expect([await kindOfFile(path), await kindOfFile(await file('pair.jsonl', jsonl('{', good)))]).toEqual(['labelled', 'pairs'])
  })
})

describe('writeQuarantine', () => {
  it('writes one JSON line per row and removes a stale file when there is none', async () => {
    const path = join(folder, 'quarantine.jsonl')
    const rows = [{ line: 3, reason: 'bad JSON', detail: 'why', raw: '{"\u2028' } as const]
    await writeQuarantine(path, rows)
    expect(
      (await readFile(path, 'utf8'))
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(rows)
    await writeQuarantine(path, [])
    expect(existsSync(path)).toBe(false)
  })
})
