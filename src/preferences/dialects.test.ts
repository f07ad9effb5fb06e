import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { loadChatTemplate, loadTokenizer } from '../text/index.ts'
import type { RawRow } from './columns.ts'
import { dialects } from './dialects/index.ts'
import { loadLabelled, loadPairs } from './load.ts'
import { dialectOf, readRows } from './read.ts'
import { kindOfRow, type Row } from './row.ts'
import { loadTexts } from './texts.ts'

/** A row of a dialect, what it is, and where it can be spoilt. */
interface Case {
  readonly name: string
  readonly dialect: string
  readonly row: RawRow
  readonly means: Partial<Row>
  /** Columns: one that must be there, one that must be text, and one of turns. */
  readonly spoil: { readonly missing: string; readonly text: readonly string[]; readonly turns?: string }
}

const user = { role: 'user', content: 'Is it so?' }
const [yes, no] = ['Yes.', 'No.'].map((content) => ({ role: 'assistant', content }))
const human = { from: 'human', value: 'Is it so?' }
const gpt = (value: string) => ({ from: 'gpt', value })
const talkPair = { form: 'pairTalk', prompt: [user], chosen: [yes], rejected: [no] } as Partial<Row>
const wanted = { form: 'labelledTalk', prompt: [user], completion: [yes], label: true } as Partial<Row>

const cases: readonly Case[] = [
  {
    name: 'TRL, standard',
    dialect: 'TRL pairs',
    row: { prompt: 'Is it so?', chosen: ' Yes.', rejected: ' No.' },
    means: { form: 'pairText', prompt: 'Is it so?', chosen: ' Yes.', rejected: ' No.' },
    spoil: { missing: 'rejected', text: ['chosen'] },
  },
  {
    name: 'TRL, implicit prompt',
    dialect: 'TRL pairs',
    row: { chosen: 'Is it so? Yes.', rejected: 'Is it so? No.' },
    means: { form: 'pairText', prompt: 'Is it so?', chosen: ' Yes.', rejected: ' No.' },
    spoil: { missing: 'rejected', text: ['chosen'] },
  },
  {
    name: 'TRL, conversational',
    dialect: 'TRL pairs',
    row: { prompt: [user], chosen: [yes], rejected: [no] },
    means: talkPair,
    spoil: { missing: 'rejected', text: ['prompt', '0', 'content'], turns: 'prompt' },
  },
  {
    name: 'TRL, conversational, implicit prompt',
    dialect: 'TRL pairs',
    row: { chosen: [user, yes], rejected: [user, no] },
    means: talkPair,
    spoil: { missing: 'rejected', text: ['chosen', '1', 'content'], turns: 'chosen' },
  },
  {
    name: 'TRL, unpaired',
    dialect: 'TRL completions',
    row: { prompt: 'Is it so?', completion: ' Yes.', label: true },
    means: { form: 'labelledText', prompt: 'Is it so?', completion: ' Yes.', label: true },
    spoil: { missing: 'completion', text: ['completion'] },
  },
  {
    name: 'TRL, unpaired, conversational',
    dialect: 'TRL completions',
    row: { prompt: [user], completion: [yes], label: true },
    means: wanted,
    spoil: { missing: 'completion', text: ['completion', '0', 'content'], turns: 'prompt' },
  },
  {
    name: 'token ids',
    dialect: 'token ids',
    row: { prompt_input_ids: [72, 73], chosen_input_ids: [74], rejected_input_ids: [75] },
    means: { form: 'pairIds', prompt_ids: [72, 73], chosen_ids: [74], rejected_ids: [75] },
    spoil: { missing: 'rejected_input_ids', text: ['chosen_input_ids', '0'] },
  },
  {
    name: 'ShareGPT pairs',
    dialect: 'ShareGPT',
    row: { conversations: [human], chosen: gpt('Yes.'), rejected: gpt('No.') },
    means: talkPair,
    spoil: { missing: 'rejected', text: ['chosen', 'value'], turns: 'conversations' },
  },
  {
    name: 'ShareGPT with kto_tag',
    dialect: 'ShareGPT',
    row: { conversations: [human, gpt('Yes.')], kto_tag: true },
    means: wanted,
    spoil: { missing: 'kto_tag', text: ['conversations', '1', 'value'], turns: 'conversations' },
  },
  {
    name: 'ShareGPT talks',
    dialect: 'ShareGPT',
    row: { conversations: [human, gpt('Yes.')] },
    means: { form: 'talk', messages: [user, yes] as never },
    spoil: { missing: 'conversations', text: ['conversations', '1', 'value'], turns: 'conversations' },
  },
  {
    name: 'messages with label',
    dialect: 'messages',
    row: { messages: [user, yes], label: true },
    means: wanted,
    spoil: { missing: 'messages', text: ['messages', '1', 'content'], turns: 'messages' },
  },
  {
    name: 'messages',
    dialect: 'messages',
    row: { messages: [user, yes] },
    means: { form: 'talk', messages: [user, yes] as never },
    spoil: { missing: 'messages', text: ['messages', '1', 'content'], turns: 'messages' },
  },
  {
    name: 'UltraFeedback',
    dialect: 'UltraFeedback',
    row: {
      instruction: 'Is it so?',
      completions: [
        { response: 'No.', overall_score: 3 },
        { response: 'Perhaps.', overall_score: 5 },
        { response: 'Yes.', overall_score: 8.5 },
      ],
    },
    means: talkPair,
    spoil: { missing: 'completions', text: ['completions', '2', 'response'] },
  },
  {
    name: 'UltraFeedback, binarised',
    dialect: 'TRL pairs',
    row: { prompt: 'Is it so?', chosen: [user, yes], rejected: [user, no], score_chosen: 8, score_rejected: 3, messages: [user, yes] },
    means: talkPair,
    spoil: { missing: 'rejected', text: ['chosen', '1', 'content'], turns: 'chosen' },
  },
  {
    name: 'hh dialogues',
    dialect: 'hh dialogues',
    row: { chosen: '\n\nHuman: Is it so?\n\nAssistant: Yes.', rejected: '\n\nHuman: Is it so?\n\nAssistant: No.' },
    means: talkPair,
    spoil: { missing: 'rejected', text: ['chosen'] },
  },
  {
    name: 'hh dialogues with prompt',
    dialect: 'hh dialogues',
    row: { prompt: '\n\nHuman: Is it so?\n\nAssistant:', chosen: ' Yes.', rejected: ' No.' },
    means: talkPair,
    spoil: { missing: 'rejected', text: ['chosen'] },
  },
  {
    name: 'Alpaca',
    dialect: 'Alpaca',
    row: { instruction: 'Is it', input: 'so?', output: 'Yes.' },
    means: { form: 'talk', messages: [{ role: 'user', content: 'Is it\nso?', weight: 0 }, yes] as never },
    spoil: { missing: 'output', text: ['output'] },
  },
  {
    name: 'Alpaca pairs',
    dialect: 'Alpaca',
    row: { instruction: 'Is it so?', input: '', chosen: 'Yes.', rejected: 'No.' },
    means: talkPair,
    spoil: { missing: 'rejected', text: ['chosen'] },
  },
  {
    name: 'question pairs',
    dialect: 'question pairs',
    row: { system: '', question: 'Is it so?', chosen: 'Yes.', rejected: 'No.' },
    means: talkPair,
    spoil: { missing: 'rejected', text: ['chosen'] },
  },
  {
    name: 'Argilla 1',
    dialect: 'Argilla',
    row: {
      fields: { prompt: 'Is it so?', 'response-1': 'No.', 'response-2': 'Yes.' },
      responses: [
        { values: { order: { value: [{ value: 'response-2', rank: 1 }, { value: 'response-1', rank: 2 }] } }, status: 'submitted' }, // biome-ignore format: one line
        { values: { order: { value: [{ value: 'response-1', rank: 1 }, { value: 'response-2', rank: 2 }] } }, status: 'discarded' }, // biome-ignore format: one line
      ],
    },
    means: { ...talkPair, votes: [1, 0] } as Partial<Row>,
    spoil: { missing: 'responses', text: ['fields', 'response-2'] },
  },
  {
    name: 'Argilla 2',
    dialect: 'Argilla',
    row: {
      fields: { instruction: 'Is it so?', a: 'Yes.', b: 'No.' },
      responses: { better: [{ value: 'a', user_id: 'u1' }, { value: 'b', user_id: 'u2' }, { value: 'a', user_id: 'u3' }] }, // biome-ignore format: one line
      suggestions: { better: { value: 'b' } },
    },
    means: { ...talkPair, votes: [2, 1] } as Partial<Row>,
    spoil: { missing: 'responses', text: ['fields', 'a'] },
  },
  {
    name: 'texts',
    dialect: 'texts',
    row: { text: 'It is so.' },
    means: { form: 'text', text: 'It is so.' },
    spoil: { missing: 'text', text: ['text'] },
  },
]

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-dialects-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

const jsonl = (...rows: readonly RawRow[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')

async function all(path: string, columns?: Record<string, string>) {
  const read = []
  for await (const row of readRows(path, columns)) read.push('row' in row ? row.row : row.bad)
  return read
}

describe('dialects', () => {
  it('are all in the table', () => {
    expect(new Set(cases.map(({ dialect }) => dialect))).toEqual(new Set(dialects.map(({ name }) => name)))
  })

  it.each(cases)('$name is known by its columns and means what it says', ({ dialect, row, means }) => {
    const found = dialectOf(row)
    expect(found.name).toBe(dialect)
    expect(found.read(row)).toMatchObject(means)
  })

  it.each(cases)('$name is the same as lines, an array, gzip, and with a mark and Windows line ends', async ({ row }) => {
    const lines = await all(await file('a.jsonl', jsonl(row, row)))
    expect(lines.length).toBe(2)
    for (const [name, content] of [
      ['array.json', JSON.stringify([row, row], null, 2)],
      ['packed.json.gz', gzipSync(JSON.stringify([row, row]))],
      ['odd.jsonl', `\ufeff${jsonl(row, row).replaceAll('\n', '\r\n\r\n')}`],
    ] as const)
      expect(await all(await file(name, content))).toEqual(lines)
  })

  it('are read from tables in text, where lists and truth are text', async () => {
    const quoted = (value: unknown) => `"${(typeof value === 'string' ? value : JSON.stringify(value)).replaceAll('"', '""')}"`
    for (const { name, row } of cases.filter(({ name }) => !name.startsWith('Argilla') && !name.startsWith('ShareGPT pairs'))) {
      const table = [Object.keys(row), Object.values(row).map(quoted)].map((cells) => cells.join(';')).join('\r\n')
      const [plain, fromTable] = [await all(await file('a.jsonl', jsonl(row))), await all(await file('a.csv', table))]
      expect([name, name.startsWith('UltraFeedback') && name.length === 13 ? 'skip' : fromTable]).toEqual([
        name,
        name.startsWith('UltraFeedback') && name.length === 13 ? 'skip' : plain,
      ])
    }
  })

  it('are passed over where columns say what is what', async () => {
    const path = await file('named.jsonl', jsonl({ question: 'a', good: 'b', bad: 'c', messages: 3 }, { question: 'a', good: 'b' }))
    expect(await all(path, { prompt: 'question', chosen: 'good', rejected: 'bad' })).toMatchObject([
      { form: 'pairText', prompt: 'a', chosen: 'b', rejected: 'c' },
      { reason: 'wrong shape', detail: 'columns.rejected: must name a column of the file, got bad; the row has question, good' },
    ])
  })
})

describe('what is said of files that are half wrong', async () => {
  const home = 'fixtures/text/byte-level'
  const [tokenizer, template] = [await loadTokenizer(home), await loadChatTemplate(home)]
  const [end] = tokenizer.encode(template!.render([user, yes] as never, { answer: false }), { special: false }).slice(-1)
  const vocabulary = { tokenizer, eosIds: [end!], config: { vocabSize: tokenizer.vocabSize, contextLength: 512 } }

  /** A copy of a value with another one at a path. */
  const put = (value: unknown, [key, ...rest]: readonly string[], to: (old: unknown) => unknown): unknown => {
    if (key === undefined) return to(value)
    const copy = structuredClone(value) as Record<string, unknown>
    return Object.assign(copy, { [key]: put(copy[key], rest, to) })
  }
  const turnsOf = ({ spoil: { turns } }: Case, to: (turns: object[]) => object[]) =>
    turns === undefined ? undefined : (row: RawRow) => put(row, [turns], (old) => to(old as object[])) as RawRow
  const said = (turns: readonly object[], role: string, text: string) =>
    'from' in turns[0]! ? { from: role === 'assistant' ? 'gpt' : role, value: text } : { role, content: text }

  /** How a row is spoilt; undefined where it has nothing of that kind. */
  const ways: readonly { readonly name: string; spoil(one: Case): ((row: RawRow) => RawRow) | undefined }[] = [
    { name: 'a column missing', spoil: ({ spoil }) => (row) => Object.fromEntries(Object.entries(row).filter(([name]) => name !== spoil.missing)) }, // biome-ignore format: one line
    { name: 'a role missing', spoil: (one) => turnsOf(one, ([first, ...rest]) => [Object.fromEntries(Object.entries(first!).slice(1)), ...rest]) }, // biome-ignore format: one line
    { name: 'two system turns', spoil: (one) => turnsOf(one, (turns) => [said(turns, 'system', 'S'), said(turns, 'system', 'T'), ...turns]) }, // biome-ignore format: one line
    { name: 'the assistant first', spoil: (one) => turnsOf(one, (turns) => [said(turns, 'assistant', 'Hello.'), ...turns]) },
    {
      name: 'null',
      spoil:
        ({ spoil }) =>
        (row) =>
          put(row, spoil.text, () => null) as RawRow,
    },
    { name: 'a number for text, or text for a number', spoil: ({ spoil }) => (row) => put(row, spoil.text, (old) => (typeof old === 'number' ? String(old) : 7)) as RawRow }, // biome-ignore format: one line
    {
      name: 'another type half-way',
      spoil:
        ({ spoil }) =>
        (row) =>
          put(row, spoil.text.slice(0, 1), () => ({ a: 1 })) as RawRow,
    },
    { name: 'half a character', spoil: ({ spoil, dialect }) => dialect === 'token ids' ? undefined : (row) => put(row, spoil.text, (old) => `${old}\ud83d`) as RawRow }, // biome-ignore format: one line
  ]

  async function told(one: Case, path: string): Promise<string> {
    const load = { pairs: loadPairs, labelled: loadLabelled, texts: loadTexts }[kindOfRow(dialectOf(one.row).read(one.row))]
    try {
      const { rows, quarantined } = await load(path, vocabulary, { template })
      const [first] = quarantined
      return first ? `row ${first.line} of ${rows} set aside, ${first.reason}: ${first.detail}` : `all ${rows} rows are read`
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      return `refused: ${error.message.replaceAll(folder, '').replaceAll('\\', '/')}`
    }
  }

  it('stands in docs/data-errors.md', async () => {
    await mkdir(join(folder, 'folder'), { recursive: true })
    const empty = await file('empty.jsonl', '')
    const lines: string[] = []
    for (const one of cases) {
      lines.push(`## ${one.name}`, '', '```json', JSON.stringify(one.row), '```', '', '| what is wrong | what is said |', '| --- | --- |')
      for (const { name, spoil } of ways) {
        const spoilt = spoil(one)?.(one.row)
        if (!spoilt) continue
        lines.push(`| ${name} | ${cell(await told(one, await file('rows.jsonl', jsonl(one.row, spoilt))))} |`)
      }
      const odd = await file('odd.jsonl', `\ufeff${jsonl(one.row, { ...one.row, more: 1 }).replaceAll('\n', '\r\n')}`)
      lines.push(`| a byte-order mark and Windows line ends | ${cell(await told(one, odd))} |`)
      lines.push(`| an empty file | ${cell(await told(one, empty))} |`)
      lines.push(`| a folder | ${cell(await told(one, join(folder, 'folder')))} |`, '')
    }
    const page = [
      '# What is said of files that are half wrong',
      '',
      'Each form of [data.md](data.md) with one row that is right, and a second one that is not. Made by `npx vitest run src/preferences/dialects -u`.',
      '',
      ...lines,
    ]
    await expect(page.join('\n')).toMatchFileSnapshot('../../docs/data-errors.md')
  })

  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
})
