import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Checkpoint, loadCheckpoint } from '../checkpoints/index.ts'
import { type OnPolicy, type RecipeInput, recipe } from '../recipe/recipe.ts'
import { loadChatTemplate, loadTokenizer } from '../text/index.ts'
import { promptsOf } from './collect.ts'
import { readPromptFile } from './prompt-file.ts'
import { dealPrompts, type Prompt } from './prompts.ts'

let checkpoint: Checkpoint
let folder = ''
beforeAll(async () => {
  checkpoint = await loadCheckpoint('fixtures/llama-tiny')
  folder = await mkdtemp(join(tmpdir(), 'innate-prompts-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function deal(prompts: readonly string[], more: Partial<RecipeInput> = {}) {
  const made = recipe({
    model: 'M',
    prior: { goals: ['kind'], strength: 1 },
    preferences: { prompts: [...prompts], judge: { goals: { kind: 1 } } },
    look: { development: 5, sealed: 6 },
    ...more,
  })
  return dealPrompts(made, made.preferences as OnPolicy, checkpoint)
}
const forty = Array.from({ length: 40 }, (_, i) => `Once there were ${i}`)
const texts = (prompts: readonly Prompt[]) => prompts.map(({ text }) => text)

describe('talks as prompts', async () => {
  const folder = 'fixtures/text/byte-level'
  const [tokenizer, template] = [await loadTokenizer(folder), await loadChatTemplate(folder)]
  const model = { tokenizer, folder, config: { vocabSize: tokenizer.vocabSize, contextLength: 512 } } as Checkpoint
  const user = { role: 'user', content: 'Is it so?' } as const
  const ids = tokenizer.encode(template!.render([user]), { special: false })

  it.each<[string, object]>([
    ['messages', { messages: [user] }],
    ['messages with an answer', { messages: [user, { role: 'assistant', content: 'Yes.' }] }],
    ['a prompt of messages', { prompt: [user] }],
    ['ShareGPT', { conversations: [{ from: 'human', value: 'Is it so?' }] }],
    ['a dialogue in text', { prompt: '\n\nHuman: Is it so?\n\nAssistant:' }],
    ['a pair', { chosen: [user, { role: 'assistant', content: 'Yes.' }], rejected: [user, { role: 'assistant', content: 'No.' }] }],
  ])('are read from %s and written with the template', async (_, row) => {
    const file = join(await mkdtemp(join(tmpdir(), 'innate-talks-')), 'prompts.json')
    await writeFile(file, JSON.stringify([row]))
    expect(await readPromptFile(file, model)).toEqual([{ text: 'Is it so?', ids, messages: [user] }])
  })

  it('are plain text to people where more than the user speaks', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'innate-talks-')), 'prompts.json')
    await writeFile(file, JSON.stringify([{ messages: [{ role: 'system', content: 'S' }, user] }]))
    expect(await readPromptFile(file, model)).toMatchObject([{ text: 'system: S\n\nuser: Is it so?' }])
    await expect(readPromptFile(file, { ...model, folder: 'fixtures/llama-tiny' })).rejects.toThrow(
      /prompts\.json:1: .*got a model that has none/,
    )
  })
})

describe('prompts', () => {
  it('are dealt into parts that share none, each one once', async () => {
    const { train, development, sealed, read } = await deal([...forty, ...forty.slice(0, 7)])
    expect([train.length, development.length, sealed.length, read]).toEqual([29, 5, 6, 47])
    expect([...texts(train), ...texts(development), ...texts(sealed)].toSorted()).toEqual(forty.toSorted())
  })

  it('are dealt by the seed', async () => {
    const [a, b, c] = await Promise.all([deal(forty), deal(forty), deal(forty, { seed: 1 })])
    expect(texts(b.sealed)).toEqual(texts(a.sealed))
    expect(texts(c.sealed)).not.toEqual(texts(a.sealed))
  })

  it('that are near duplicates stay in one part, and none is dropped; looks count prompts', async () => {
    const tales = (i: number) => `Tale ${i} of the fox`
    const variants = forty.flatMap((_, i) => [tales(i), `  ${tales(i).toUpperCase()}!`, tales(i).replaceAll(' ', '  - ')])
    for (const seed of [0, 1, 2]) {
      const parts = await deal(variants, { seed, look: { development: 9, sealed: 12 } })
      expect([parts.development.length, parts.sealed.length, parts.train.length]).toEqual([9, 12, 99])
      expect(parts.nearDuplicates).toEqual({ groups: 40, prompts: 120 })
      const tale = (all: readonly Prompt[]) => new Set(texts(all).map((text) => text.match(/\d+/)![0]))
      expect(tale(parts.sealed).size + tale(parts.development).size + tale(parts.train).size).toBe(40)
    }
    await expect(deal(variants, { look: { development: 9, sealed: 11 } })).rejects.toThrow(
      /look\.sealed: near duplicates stay together in one part, so 11 prompts can not be taken from 40 groups; ask for 9, or add prompts/,
    )
    // With others among them every number can be met.
    const { sealed } = await deal([...variants, ...forty], { look: { development: 9, sealed: 11 } })
    expect(sealed.length).toBe(11)
  })

  it('must be enough for the looks, and leave room in the context', async () => {
    await expect(deal(forty.slice(0, 18))).rejects.toThrow(
      /6 sealed prompts, 5 for development and at least 8 to train on are needed \(19\), got 18/,
    )
    await expect(deal([...forty, 'long '.repeat(200)])).rejects.toThrow(
      /preferences\.prompts, prompt 41: a prompt must leave room in the context of 256 tokens, got \d+ tokens; shorten it/,
    )
  })

  it('of a round are the next ones, and from the start again when all were used', async () => {
    const all = (await deal(forty.slice(0, 21))).train
    const round = (n: number) => promptsOf(n, all, { promptsPerRound: 4 }).flat()
    expect([1, 2, 3].flatMap(round)).toEqual([...all, ...all.slice(0, 2)])
    expect(promptsOf(2, all, { promptsPerRound: 100 })).toEqual([all])
    const rollouts = [1, 2].map((n) => promptsOf(n, all, { promptsPerRound: 7, rollout: 3 }))
    expect(rollouts.map((round) => round.map(({ length }) => length))).toEqual([
      [3, 3, 1],
      [3, 3, 1],
    ])
    expect(rollouts.flat(2)).toEqual([...all, ...all].slice(0, 14))
  })
})

describe('a file of prompts', () => {
  async function read(lines: readonly (object | string)[], name = 'prompts.jsonl') {
    const text = lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('')
    await writeFile(join(folder, name), name.endsWith('.gz') ? gzipSync(text) : text)
    return readPromptFile(join(folder, name), checkpoint)
  }

  it('holds texts or ids, plain or gzipped', async () => {
    const rows = [{ prompt: 'Once' }, '', { prompt_ids: [1, 70, 71], other: 1 }]
    for (const name of ['a.jsonl', 'a.jsonl.gz']) {
      const [first, second] = await read(rows, name)
      expect(first).toEqual({ text: 'Once', ids: checkpoint.tokenizer.encode('Once') })
      expect(second!.ids).toEqual([1, 70, 71])
    }
  })

  const wrong: [object | string, RegExp][] = [
    ['no json', /:2: must be a JSON object on one line, got "no json"; mend the line/],
    [{ text: 'x' }, /:2: must be a JSON object with prompt or prompt_ids, or a talk, got \{"text":"x"\}/],
    [{ prompt_ids: [] }, /:2: must be a JSON object/],
    [{ prompt_ids: [320] }, /:2: ids must be below 320, got 320; is it for another model\?/],
    [{ prompt: 'long '.repeat(200) }, /:2: a prompt must leave room in the context of 256 tokens, got \d+ tokens; shorten it/],
  ]
  it.each(wrong)('with %j is refused by its line', async (row, message) => {
    await expect(read([{ prompt: 'fine' }, row])).rejects.toThrow(message)
  })

  it('begin once though a text writes the beginning, and hold U+2028', async () => {
    const [begin] = checkpoint.tokenizer.encode('')
    const written = `${checkpoint.tokenizer.pieces([begin!]).join('')}Once`
    const [first, second, third] = await read([{ prompt: 'Once' }, { prompt: written }, '\ufeff{"prompt": "one\u2028two"}'])
    expect(first!.ids[0]).toBe(begin)
    expect(second!.ids.filter((id) => id === begin)).toEqual([begin])
    expect(third!.text).toBe('one\u2028two')
  })

  it('must be there and hold a prompt', async () => {
    await expect(readPromptFile(join(folder, 'nowhere.jsonl'), checkpoint)).rejects.toThrow(
      /nowhere\.jsonl: must exist, got no such file; check the path/,
    )
    await expect(read([''])).rejects.toThrow(/must hold at least one prompt, got none/)
  })
})
