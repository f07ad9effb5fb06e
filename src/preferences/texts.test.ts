import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { array, assert, asyncProperty, integer, string } from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fakeVocabulary } from '../../test/fake-vocabulary.ts'
import { treeLength } from '../policy/rows.ts'
import { loadChatTemplate, loadTokenizer } from '../text/index.ts'
import { loadTexts } from './texts.ts'
import type { Vocabulary } from './tokenise.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-texts-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const vocabulary = fakeVocabulary(['bc'])
/** A tokenizer that adds nothing of its own, as GPT-2's. */
const bare: Vocabulary = {
  ...vocabulary,
  tokenizer: { ...vocabulary.tokenizer, encode: (text) => vocabulary.tokenizer.encode(text).slice(1) },
}

async function load(rows: readonly object[], options = {}, from = vocabulary) {
  const file = join(folder, 'texts.jsonl')
  await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  return loadTexts(file, from, options)
}

describe('texts in tokens', () => {
  it('learn every token of a text after its beginning, and the end', async () => {
    const { texts } = await load([{ text: 'abc' }, { text: 'a</s>' }])
    expect(texts[0]).toEqual({ row: 0, prompt: 'abc', trees: [{ prompt: [1], completions: [[97, 256, 2]] }], bytes: 3 })
    expect(texts[1]!.trees).toEqual([{ prompt: [1], completions: [[97, 2]] }])
  })

  it('begin with an end token where the tokenizer begins with nothing', async () => {
    const { texts } = await load([{ text: 'abc' }], {}, bare)
    expect(texts[0]!.trees).toEqual([{ prompt: [2], completions: [[97, 256, 2]] }])
  })

  it('learn a completion’s tokens after its prompt', async () => {
    const { texts } = await load([{ prompt: 'a', completion: 'bcé' }])
    expect(texts[0]).toEqual({ row: 0, prompt: 'a', trees: [{ prompt: [1, 97], completions: [[256, 233, 2]] }], bytes: 4 })
  })

  it('are set aside with the reason', async () => {
    const rows = [
      { text: 'a' },
      { text: '' },
      { prompt: 'a', completion: '' },
      { prompt: 'ab', completion: 'c' },
      { prompt: 'a', completion: 'x'.repeat(9) },
      { messages: [] },
    ]
    const { texts, quarantined } = await load(rows, { maxLength: 8 })
    expect(texts.length).toBe(1)
    expect(quarantined.map(({ line, reason }) => [line, reason])).toEqual([
      [2, 'empty completion'],
      [3, 'empty completion'],
      [4, 'not a token prefix'],
      [5, 'too long'],
      [6, 'wrong shape'],
    ])
  })

  it('however long, are cut into rows that fit and learn each token once', async () => {
    await assert(
      asyncProperty(
        array(string({ minLength: 1, maxLength: 40, unit: 'grapheme-ascii' }), { minLength: 1, maxLength: 4 }),
        integer({ min: 1, max: 20 }),
        async (said, maxLength) => {
          const { texts } = await load(
            said.map((text) => ({ text })),
            { maxLength },
          )
          texts.forEach(({ trees, row }) => {
            for (const tree of trees) expect(treeLength(tree)).toBeLessThanOrEqual(maxLength)
            const [first] = trees
            const ids = [...first!.prompt, ...trees.flatMap(({ completions }) => completions[0]!)]
            const encoded = vocabulary.tokenizer.encode(said[row]!)
            expect(ids).toEqual(encoded.at(-1) === 2 ? encoded : [...encoded, 2])
            trees.slice(1).forEach(({ prompt }, i) => {
              expect(prompt).toEqual([trees[i]!.completions[0]!.at(-1)])
            })
          })
        },
      ),
      { numRuns: 50 },
    )
  })
})

describe('talks', async () => {
  const folder = 'fixtures/text/byte-level'
  const [tokenizer, template] = [await loadTokenizer(folder), await loadChatTemplate(folder)]
  const talk = [
    { role: 'user', content: 'Hello' },
    { role: 'assistant', content: 'Hi there' },
    { role: 'user', content: 'Bye' },
    { role: 'assistant', content: 'See you' },
  ]
  const [end] = tokenizer.encode(template!.render(talk as never, { answer: false }), { special: false }).slice(-1)
  const own = { tokenizer, eosIds: [end!], config: { vocabSize: tokenizer.vocabSize, contextLength: 512 } }

  it('learn what the assistant says, each turn after the talk so far', async () => {
    const { texts } = await load([{ messages: talk }], { template }, own as never)
    const { trees, bytes } = texts[0]!
    expect([trees.length, bytes]).toEqual([2, 'Hi thereSee you'.length])
    for (const [turn, { prompt, completions }] of trees.entries()) {
      expect(prompt).toEqual(tokenizer.encode(template!.render(talk.slice(0, 2 * turn + 1) as never), { special: false }))
      expect(tokenizer.decode(completions[0]!)).toContain(talk[2 * turn + 1]!.content)
      expect(completions[0]!.at(-1)).toBe(end)
      expect(completions[0]!.indexOf(end!)).toBe(completions[0]!.length - 1)
    }
  })

  it('are set aside where nobody answers, and where the model has no template', async () => {
    const rows = [{ messages: talk }, { messages: talk.slice(0, 1) }]
    expect((await load(rows, { template }, own as never)).counts).toEqual({ 'empty completion': 1 })
    expect((await load([{ text: 'a' }, ...rows], {}, own as never)).counts).toEqual({ 'wrong shape': 2 })
  })
})
