import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fakeVocabulary } from '../../test/fake-vocabulary.ts'
import { loadCheckpoint } from '../checkpoints/checkpoint.ts'
import { cacheFolder } from '../files/cache-folder.ts'
import { type Checking, checkFile } from './check.ts'
import { renderCheck } from './render-check.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-check-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function file(...rows: unknown[]): Promise<string> {
  const path = join(folder, 'rows.jsonl')
  await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  return path
}

async function checked(path: string, vocabulary: Parameters<typeof checkFile>[1], options: Partial<Checking> = {}) {
  const { check, prompts } = await checkFile(path, vocabulary, { kind: 'pairs', ...options })
  prompts.close()
  return check
}

const pair = (prompt: string, chosen: string, rejected: string, votes?: [number, number]) => ({
  prompt,
  chosen,
  rejected,
  ...(votes && { votes }),
})

describe('checkFile', () => {
  const vocabulary = fakeVocabulary(['bc'])

  it('counts a file written by hand', async () => {
    const path = await file(
      pair('a', 'xx', 'y'),
      pair('a', 'xx', 'y'),
      pair('a', 'y', 'xx'),
      pair('ab', 'c', 'd'),
      pair('aaaa', 'x\u001b[2J</s>', 'y', [3, 2]),
      { prompt_ids: [5], chosen_ids: [6], rejected_ids: [7, 2] },
      pair('a', 'x', 'x'),
    )
    const check = await checked(path, vocabulary)
    expect(check).toMatchObject({
      kind: 'pairs',
      rows: 7,
      usable: 5,
      verbatim: 1,
      quarantined: [
        { reason: 'not a token prefix', rows: 1, line: 4 },
        { reason: 'identical sides', rows: 1, line: 7 },
      ],
      boundary: { prefix: 4, trimmed: 0, setAside: 1 },
      end: { id: 2, piece: '</s>', added: 7, there: 2 },
      duplicates: { rows: 1, prompts: 2, swapped: 1, nearPrompts: 0 },
      votes: { chosen: 7, rejected: 2 },
      chosenLonger: 3 / 5,
      lengths: {
        prompt: { min: 1, p50: 2, p90: 5, p99: 5, max: 5, mean: 12 / 5 },
        chosen: { min: 1, p50: 3, max: 6, mean: 15 / 5 },
        rejected: { min: 2, p50: 2, max: 3, mean: 11 / 5 },
        whole: { min: 3, p50: 5, max: 11 },
      },
      example: {
        prompt: [
          { piece: '<s>', id: 1, trained: false },
          { piece: 'a', id: 97, trained: false },
        ],
        rejected: [
          { piece: 'y', id: 121, trained: true },
          { piece: '</s>', id: 2, trained: true },
        ],
      },
    })
    const trimmed = await checked(path, vocabulary, { boundary: 'trim' })
    expect(trimmed.boundary).toEqual({ prefix: 4, trimmed: 1, setAside: 0 })
  })

  it('counts unpaired rows', async () => {
    const path = await file({ prompt: 'a', completion: 'x', label: true }, { prompt: 'b', completion: 'yy', label: false })
    const check = await checked(path, vocabulary, { kind: 'labelled' })
    expect(check).toMatchObject({ kind: 'unpaired', votes: { chosen: 1, rejected: 1 }, lengths: { completion: { min: 2, max: 3 } } })
    expect(check).not.toHaveProperty('chosenLonger')
    expect(renderCheck(check).join('\n')).toContain('1 wanted, 1 unwanted')
  })
})

describe('renderCheck', () => {
  it('fits a terminal of 80 columns and lets no control character through', async () => {
    const vocabulary = fakeVocabulary([], 4000)
    const long = 'once upon a time '.repeat(60)
    const path = await file(
      pair(`\u001b[31m${long}`, 'x\ny', 'y\u007f'),
      { prompt: 'a', nothing: 'here' },
      pair('a', 'x'.repeat(4001), 'y'),
    )
    const lines = renderCheck({ ...(await checked(path, vocabulary)), file: 'rows.jsonl' })
    expect(lines.filter((line) => line.length > 80)).toEqual([])
    expect(lines.join('')).not.toMatch(/\p{Cc}/u)
    expect(lines.join('\n')).toMatchInlineSnapshot(`
      "rows.jsonl

      read as     TRL pairs
      rows        3 read, 1 usable pairs, 2 set aside
                  1 wrong shape, first in line 2: chosen and rejected, or completion:
                  missing beside prompt
                  1 too long, first in line 3: prompt and longer completion must have
                  at most 4000 tokens, got 4004

      tokens           min    50 %    90 %    99 %     max    mean
      prompt         1,026   1,026   1,026   1,026   1,026  1026.0
      chosen             4       4       4       4       4     4.0
      rejected           3       3       3       3       3     3.0
      whole          1,030   1,030   1,030   1,030   1,030  1030.0

      boundary    1 of 1 prompts (100.0 %) are token prefixes of their completions
      end token   </s> (id 2) appended to 2 completions, 0 had it
      duplicates  none: every prompt occurs once
      votes       1 for chosen, 0 for rejected
      length      chosen is the longer side in 100.0 % of the pairs

      The first row as the model meets it:
      prompt      1,026 tokens, given:
                  <s> \\u001b [ 3 1 m o n c e ␣ u p o n ␣ a ␣ … 996 more … u p o n ␣ a
                  ␣ t i m e ␣
      chosen      4 tokens, trained:
                  x \\n y </s>
      rejected    3 tokens, trained:
                  y \\u007f </s>"
    `)
  })
})

describe('hh-harmless on stories15m', () => {
  const data = join(import.meta.dirname, '../../../shared/data/hh-harmless.pairs.jsonl.gz')
  const absent = !existsSync(data) || !existsSync(join(cacheFolder(), 'models', 'stories15m'))

  it.skipIf(absent)('is counted in tokens (not run here without the shared data and stories15m)', async () => {
    const checkpoint = await loadCheckpoint('stories15m')
    const head = gunzipSync(await readFile(data))
      .toString()
      .split('\n')
      .slice(0, 300)
    const check = await checked(await file(...head.map((line) => JSON.parse(line))), checkpoint)
    expect(check).toMatchObject({
      rows: 300,
      usable: 223,
      quarantined: [{ reason: 'too long', rows: 77, line: 1 }],
      boundary: { prefix: 223, trimmed: 0, setAside: 0 },
      end: { id: 1, piece: '<s>', added: 446, there: 0 },
    })
  })
})
