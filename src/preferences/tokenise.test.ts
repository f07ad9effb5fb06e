import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fakeVocabulary } from '../../test/fake-vocabulary.ts'
import type { PreferenceRow } from './row.ts'
import { type Tokenising, tokenise, type Vocabulary } from './tokenise.ts'

const pair = (prompt: string, chosen: string, rejected: string, votes?: unknown): PreferenceRow => ({
  form: 'pairText',
  prompt,
  chosen,
  rejected,
  ...(votes !== undefined && { votes }),
})
const ids = (prompt_ids: number[], chosen_ids: number[], rejected_ids: number[]): PreferenceRow => ({
  form: 'pairIds',
  prompt_ids,
  chosen_ids,
  rejected_ids,
})
const code = (text: string) => [...text].map((c) => c.codePointAt(0)!)

describe('tokenise', () => {
  it('cuts the completions off prompt + completion and ends them', () => {
    expect(tokenise(pair('ab', 'c', 'de'), 7, fakeVocabulary())).toEqual({
      example: {
        row: 7,
        prompt: [1, 97, 98],
        chosen: [99, 2],
        rejected: [100, 101, 2],
        votes: [1, 0],
        text: { prompt: 'ab', chosen: 'c', rejected: 'de' },
      },
      trimmed: 0,
      endTokens: 2,
      begins: 0,
      ends: 0,
      cutTokens: 0,
    })
  })

  it('adds no end token where one stands', () => {
    expect(tokenise(pair('ab', 'c</s>', 'de'), 0, fakeVocabulary())).toMatchObject({ example: { chosen: [99, 2] }, endTokens: 1 })
  })

  it.each<[string, ReturnType<typeof pair>, object]>([
    ['a beginning in the text', pair('<s>ab', 'c', 'd'), { example: { prompt: [1, 97, 98], chosen: [99, 2] }, begins: 1, ends: 0 }],
    ['several ends', pair('ab', 'c</s></s>', 'd</s>'), { example: { chosen: [99, 2], rejected: [100, 2] }, ends: 1, endTokens: 0 }],
    ['blanks after the end', pair('ab', 'c</s>\n ', 'd</s> </s>'), { example: { chosen: [99, 2], rejected: [100, 2] }, ends: 2 }],
    ['blanks before the end', pair('ab', 'c \n</s>', 'd'), { example: { chosen: [99, 32, 10, 2], rejected: [100, 2] }, ends: 0 }],
    ['an end in the prompt', pair('a</s>b', 'c', 'd'), { example: { prompt: [1, 97, 2, 98], chosen: [99, 2] }, begins: 0 }],
  ])('puts special tokens there once: %s', (_, row, made) => {
    expect(tokenise(row, 0, fakeVocabulary())).toMatchObject(made)
  })

  it('takes the end that a tokenizer adds off prompts', () => {
    const { tokenizer, ...rest } = fakeVocabulary()
    const closing = { ...tokenizer, encode: (text: string, how = {}) => closed(tokenizer.encode(text, how), how) }
    const closed = (ids: number[], { special = true }: { special?: boolean }) => (special ? [...ids, 2] : ids)
    expect(tokenise(pair('ab', 'c', 'de'), 0, { tokenizer: closing, ...rest })).toMatchObject({
      example: { prompt: [1, 97, 98], chosen: [99, 2], rejected: [100, 101, 2] },
    })
  })

  it('sets aside a completion that goes on after its end', () => {
    expect(tokenise(pair('ab', 'c', 'd</s> e'), 0, fakeVocabulary())).toEqual({
      reason: 'text after an end',
      detail: 'rejected must stop at its end token, got more after it: " e"',
    })
  })

  it('adds none when the model has none', () => {
    const vocabulary = { ...fakeVocabulary(), eosIds: [] }
    expect(tokenise(pair('ab', 'c', 'd'), 0, vocabulary)).toMatchObject({ example: { chosen: [99], rejected: [100] }, endTokens: 0 })
  })

  it('takes ids verbatim', () => {
    const row = { ...ids([5, 6], [7], [8, 2]), votes: [3, 4] } as PreferenceRow
    expect(tokenise(row, 0, fakeVocabulary())).toEqual({
      example: { row: 0, prompt: [5, 6], chosen: [7], rejected: [8, 2], votes: [3, 4] },
      trimmed: 0,
      endTokens: 0,
      begins: 0,
      ends: 0,
      cutTokens: 0,
    })
  })

  it('reads unpaired rows', () => {
    const row: PreferenceRow = { form: 'labelledText', prompt: 'ab', completion: 'c', label: false }
    expect(tokenise(row, 3, fakeVocabulary())).toMatchObject({
      example: { row: 3, prompt: [1, 97, 98], completion: [99, 2], label: false },
    })
  })

  describe('where the prompt is no token prefix', () => {
    // `bc` is one piece, so the prompt `ab` is [<s>, a, b] alone and [<s>, a, bc] before a completion that begins with c.
    const vocabulary = fakeVocabulary(['bc'])

    it('sets the row aside when strict, with the tokens at fault', () => {
      expect(tokenise(pair('ab', 'x', 'cd'), 0, vocabulary)).toEqual({
        reason: 'not a token prefix',
        detail: "with rejected the prompt's tokens change from token 2 of 3 on: ‹b› becomes ‹bc›‹d›",
      })
    })

    it('keeps what all agree on when trimming, as TRL does', () => {
      expect(tokenise(pair('ab', 'x', 'cd'), 0, vocabulary, { boundary: 'trim' })).toMatchObject({
        example: { prompt: [1, 97], chosen: [...code('bx'), 2], rejected: [256, 100, 2] },
        trimmed: 1,
      })
    })

    it('sets the row aside when nothing is left to trim to', () => {
      const bare: Vocabulary = {
        ...vocabulary,
        tokenizer: { ...vocabulary.tokenizer, encode: (t) => vocabulary.tokenizer.encode(t).slice(1) },
      }
      expect(tokenise(pair('b', 'cd', 'x'), 0, bare, { boundary: 'trim' })).toMatchObject({ reason: 'empty prompt' })
    })
  })

  it('with trim, prompt and side together are always the tokens of the whole text', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 6 })
    const vocabulary = fakeVocabulary(['abc', 'bc', 'ca'])
    const { encode } = vocabulary.tokenizer
    fc.assert(
      fc.property(word, word, word, (prompt, chosen, rejected) => {
        fc.pre(chosen !== rejected)
        const done = tokenise(pair(prompt, chosen, rejected), 0, vocabulary, { boundary: 'trim' })
        if (!('example' in done) || !('chosen' in done.example)) throw new Error(JSON.stringify(done))
        const { example } = done
        expect([...example.prompt, ...example.chosen]).toEqual([...encode(prompt + chosen), 2])
        expect([...example.prompt, ...example.rejected]).toEqual([...encode(prompt + rejected), 2])
        expect(example.prompt).toEqual(encode(prompt).slice(0, example.prompt.length))
        const strict = tokenise(pair(prompt, chosen, rejected), 0, vocabulary)
        expect('example' in strict).toBe(done.trimmed === 0)
        if ('example' in strict) expect(strict).toEqual(done)
      }),
    )
  })

  it.each<[string, PreferenceRow, Tokenising, string]>([
    ['empty completion', pair('ab', '', 'c'), {}, 'chosen must have text'],
    ['empty completion', { form: 'labelledText', prompt: 'a', completion: '', label: true }, {}, 'completion must have text'],
    ['empty completion', ids([1], [2], []), {}, 'at least one token'],
    ['empty prompt', ids([], [2], [3]), {}, 'at least one token'],
    ['identical sides', pair('ab', 'c', 'c'), {}, 'same 2 tokens'],
    ['identical sides', pair('ab', 'c', 'c</s>'), {}, 'same 2 tokens'],
    ['identical sides', ids([1], [3], [3]), {}, 'same 1 tokens'],
    ['too long', pair('a'.repeat(60), 'c', 'dddd'), {}, 'at most 64 tokens, got 66'],
    ['too long', pair('ab', 'c', 'dddd'), { maxLength: 7 }, 'at most 7 tokens, got 8'],
    ['unknown ids', ids([1, 256], [2], [3]), {}, 'below the vocabulary’s 256, got 256'.replace('’', "'")],
    ['unknown ids', ids([1], [2], [3, 999]), {}, 'got 999'],
    ['bad votes', pair('ab', 'c', 'd', [0, 0]), {}, 'got [0,0]'],
    ['bad votes', pair('ab', 'c', 'd', [-1, 2]), {}, 'got [-1,2]'],
    ['bad votes', pair('ab', 'c', 'd', [1]), {}, 'got [1]'],
    ['bad votes', pair('ab', 'c', 'd', 'many'), {}, 'got "many"'],
    ['bad votes', pair('ab', 'c', 'd', null), {}, 'got null'],
    ['bad votes', Object.assign(pair('ab', 'c', 'd', [1, 1]), { gap: true }), {}, 'votes of a gap must be [0,0], got [1,1]'],
    ['bad votes', Object.assign(pair('ab', 'c', 'd', [0, 0]), { gap: 'yes' }), {}, 'gap must be true or left out'],
    ['bad votes', pair('ab', 'c', 'd', [Infinity, 1]), {}, 'two finite numbers'],
  ])('sets aside: %s', (reason, row, options, says) => {
    const done = tokenise(row, 0, fakeVocabulary(), options)
    expect(done).toMatchObject({ reason, detail: expect.stringContaining(says) })
  })

  it('takes a row of exactly the context', () => {
    expect(tokenise(pair('a'.repeat(60), 'c', 'dd'), 0, fakeVocabulary())).toHaveProperty('example')
  })
})
