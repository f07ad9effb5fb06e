import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { loadTokenizer } from './tokenizer.ts'
import { cut } from './tokenizer-cuts.ts'

interface Golden {
  readonly name: string
  readonly tokenizer: { readonly [field: string]: unknown; readonly model: Record<string, unknown>; readonly added_tokens: object[] }
  readonly texts: readonly [string, number[]][]
}
const golden = JSON.parse(readFileSync('fixtures/tokenizer-steps/golden.json', 'utf8')) as Golden[]
const folder = mkdtempSync(join(tmpdir(), 'innate-steps-'))
afterAll(() => rmSync(folder, { recursive: true }))
const load = (json: object, config: object = {}) => {
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(json))
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(config))
  return loadTokenizer(folder)
}
const named = (name: string) => golden.find((one) => one.name === name)!.tokenizer

describe('ids are those of the original', () => {
  it.each(golden)('$name', async ({ tokenizer, texts }) => {
    const { encode } = await load(tokenizer)
    for (const [text, ids] of texts) expect([text, encode(text)]).toEqual([text, ids])
  })

  it('a text is cut and nothing of it is lost, but where what matches is removed', () => {
    for (const behaviour of ['isolated', 'mergedwithprevious', 'mergedwithnext', 'contiguous'])
      for (const invert of [false, true]) expect(cut('  a12 b,,c ', /[a-z]+|\d/gu, behaviour, invert).join('')).toBe('  a12 b,,c ')
  })
})

describe('tokenizer_config.json', () => {
  const decoder = (id: number) => ({ added_tokens_decoder: { [id]: { content: '<|im_start|>', special: true } } })
  const next = Object.keys(named('byte level').model.vocab as object).length

  it('adds tokens that stand there alone, with the next id', async () => {
    const { encode } = await load(named('byte level'), decoder(next))
    expect(encode('cat<|im_start|>cat', { special: false })).toEqual([next - 1, next, next - 1])
    await expect(load(named('byte level'), decoder(next + 3))).rejects.toThrow(
      `added_tokens_decoder.${next + 3} must be the next id, ${next}`,
    )
  })

  it('sets add_prefix_space', async () => {
    const { encode } = await load(named('byte level'), { add_prefix_space: true })
    for (const [text, ids] of golden.find(({ name }) => name === 'byte level with a space')!.texts) expect(encode(text)).toEqual(ids)
  })
})

describe('refuses by field', () => {
  const base = named('whitespace')
  it.each<[string, object, string]>([
    [
      'a token that is a word of its own',
      { ...base, added_tokens: [{ id: 3, content: 'cat', single_word: true }] },
      'added_tokens.0.single_word must be false, got "true for cat"',
    ],
    ['dropout', { ...base, model: { ...base.model, dropout: 0.1 } }, 'model.dropout must be null, got 0.1'],
    [
      'a prefix inside words',
      { ...base, model: { ...base.model, continuing_subword_prefix: '##' } },
      'model.continuing_subword_prefix of a BPE must be null, got "##"',
    ],
    [
      'a table of characters',
      { ...base, normalizer: { type: 'Sequence', normalizers: [{ type: 'Precompiled', precompiled_charsmap: '' }] } },
      'normalizer.normalizers.0.type must not be Precompiled',
    ],
    [
      'a pattern of no kind',
      { ...base, pre_tokenizer: { type: 'Split', pattern: {}, behavior: 'Isolated' } },
      'pre_tokenizer.pattern must have a String or a Regex, got {}',
    ],
    [
      'pieces without a score',
      { ...named('unigram with bytes'), model: { ...named('unigram with bytes').model, vocab: [['a', 0], null] } },
      'model.vocab.1 must be a text and its score, got null',
    ],
    [
      'another way to split',
      { ...base, pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: 'Shuffled' } },
      'pre_tokenizer.behavior must be one of removed, isolated',
    ],
    [
      'a way to split that is no text',
      { ...base, pre_tokenizer: { type: 'Split', pattern: { String: ' ' }, behavior: { toString: 1 } } },
      'pre_tokenizer.behavior must be one of removed, isolated',
    ],
    [
      'a Unigram whose bytes are not all there',
      (() => {
        const json = named('unigram with bytes')
        return { ...json, model: { ...json.model, vocab: (json.model.vocab as unknown[]).slice(0, 200) } }
      })(),
      'model.byte_fallback must have all 256 bytes in the vocabulary',
    ],
  ])('%s', async (_, json, says) => {
    await expect(load(json)).rejects.toThrow(says)
  })
})
