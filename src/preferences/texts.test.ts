import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { array, assert, asyncProperty, integer, string } from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { treeLength } from '../models/rows.ts'
import { fakeVocabulary } from './fake-vocabulary.ts'
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
