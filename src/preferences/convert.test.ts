import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { convertPreferences } from './convert.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-convert-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const user = { role: 'user', content: 'a' }
const yes = { role: 'assistant', content: 'b' }
const no = { role: 'assistant', content: 'c' }

async function convert(rows: readonly unknown[], to = 'out.jsonl') {
  const [from, out] = [join(folder, 'in.json'), join(folder, to)]
  await writeFile(from, JSON.stringify(rows))
  const made = await convertPreferences(from, out)
  const bytes = await readFile(out)
  const text = (to.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
  return { ...made, lines: text.trimEnd().split('\n').map((line) => JSON.parse(line)) } // biome-ignore format: one line
}

describe('convertPreferences', () => {
  it.each<[string, object, object]>([
    ['ShareGPT pairs', { conversations: [{ from: 'human', value: 'a' }], chosen: { from: 'gpt', value: 'b' }, rejected: { from: 'gpt', value: 'c' } }, { prompt: [user], chosen: [yes], rejected: [no] }], // biome-ignore format: one line
    ['hh dialogues', { prompt: '\n\nHuman: a\n\nAssistant:', chosen: ' b', rejected: ' c', votes: [2, 1] }, { prompt: [user], chosen: [yes], rejected: [no], votes: [2, 1] }], // biome-ignore format: one line
    ['labelled messages', { messages: [user, yes], label: false }, { prompt: [user], completion: [yes], label: false }],
    ['Alpaca', { instruction: 'a', output: 'b' }, { prompt: [user], completion: [yes] }],
    ['talks', { messages: [user, yes], tools: [{ name: 't' }] }, { messages: [user, yes], tools: [{ name: 't' }] }],
    ['an implicit prompt', { chosen: 'a b', rejected: 'a c' }, { prompt: 'a', chosen: ' b', rejected: ' c' }],
    ['ids', { prompt_input_ids: [1], chosen_input_ids: [2], rejected_input_ids: [3] }, { prompt_ids: [1], chosen_ids: [2], rejected_ids: [3] }], // biome-ignore format: one line
  ])('writes %s in the columns of TRL, and those as they are', async (_, row, columns) => {
    const { lines, written } = await convert([row, row])
    expect([written, lines]).toEqual([2, [columns, columns]])
    expect((await convert(lines, 'again.jsonl.gz')).lines).toEqual(lines)
  })

  it('sets aside what is of another kind or shape than the first row, and what cannot be read', async () => {
    const pair = { prompt: 'a', chosen: 'b', rejected: 'c' }
    const rows = [pair, { messages: [user, yes] }, { ...pair, chosen: null }, { prompt: [user], chosen: [yes], rejected: [no] }, { ...pair, votes: 'x' }] // biome-ignore format: one line
    const { lines, quarantined } = await convert(rows)
    expect(lines).toEqual([pair])
    expect(quarantined.map(({ line, detail }) => [line, detail])).toEqual([
      [2, 'this must be a pair, as the first row is, got a text'],
      [3, 'chosen: must be text, got null'],
      [4, 'this must be text, as the first row is, got messages'],
      [5, 'votes must be two finite numbers ≥ 0, not both 0, got "x"'],
    ])
  })

  it('writes nothing where no row is readable, under another name, or over what it reads', async () => {
    await expect(convert([{ a: 1 }], 'none.jsonl')).rejects.toThrow(/at least one row must be readable, got none of 1; the first is line 1/)
    await expect(readFile(join(folder, 'none.jsonl'))).rejects.toThrow('ENOENT')
    await expect(convert([{ text: 'a' }], 'none.csv')).rejects.toThrow(/none\.csv: must end in \.jsonl or \.jsonl\.gz/)
    const same = join(folder, 'same.jsonl')
    await writeFile(same, '{"text":"a"}\n')
    await expect(convertPreferences(same, join(folder, '.', 'same.jsonl'))).rejects.toThrow(/must be another file/)
  })
})
