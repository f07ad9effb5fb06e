import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Tokenizer as Port } from '@huggingface/tokenizers'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { frameOf } from './beginning.ts'
import { loadTokenizer } from './tokenizer.ts'
import { wordIds } from './word-ids.ts'

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'innate-word-ids-'))
afterAll(() => rmSync(folder, { recursive: true }))
const tiny = JSON.parse(readFileSync(at('fixtures/llama-tiny/tokenizer.json'), 'utf8'))

/** A tokenizer folder with other parts than the tiny one's. */
async function changed(name: string, parts: object) {
  mkdirSync(join(folder, name))
  writeFileSync(join(folder, name, 'tokenizer.json'), JSON.stringify({ ...tiny, ...parts }))
  return loadTokenizer(join(folder, name))
}

const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
const digits = { type: 'Digits', individual_digits: true }
const letters = { type: 'Split', pattern: { Regex: '[aeiou]' }, behavior: 'Isolated', invert: false }
const tokenizers = {
  'bytes (llama-tiny)': await loadTokenizer(at('fixtures/llama-tiny')),
  'SentencePiece (stories5m)': await loadTokenizer(at('box/stories5m')),
  'digits, then bytes': await changed('digits', { pre_tokenizer: { type: 'Sequence', pretokenizers: [digits, byteLevel] } }),
  'a pattern, then bytes without one': await changed('split', {
    pre_tokenizer: { type: 'Sequence', pretokenizers: [letters, { ...byteLevel, use_regex: false }] },
  }),
  'steps inside steps': await changed('nested', {
    pre_tokenizer: { type: 'Sequence', pretokenizers: [digits, { type: 'Sequence', pretokenizers: [letters, byteLevel] }] },
  }),
  'a space in front': await changed('prefix', { pre_tokenizer: { ...byteLevel, add_prefix_space: true } }),
  'a normalizer': await changed('lower', { normalizer: { type: 'Lowercase' } }),
}
const piece = fc.constantFrom(
  'the',
  'The cat',
  ' ',
  '  ',
  '\n\n',
  '<s>',
  '</s>',
  '<',
  '</',
  '12',
  ' 3',
  "n't",
  "'s",
  'é',
  '🐈',
  '▁',
  'aeiou',
)
const texts = fc.oneof(
  fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
  fc.string({ unit: 'binary', maxLength: 20 }),
)

describe('ids looked up word by word', () => {
  it.each(Object.entries(tokenizers))('are those of the whole text: %s', (_, tokenizer) => {
    const { begin, end } = frameOf(tokenizer)
    fc.assert(
      fc.property(texts, (text) => {
        const whole = tokenizer.encode(text)
        expect(tokenizer.encode(text, { special: false })).toEqual(whole.slice(begin.length, whole.length - end.length))
      }),
      { numRuns: 200 },
    )
  })

  it('are not tried where a word depends on what is around it, or may be unknown', () => {
    const quick = (parts: object) => wordIds(new Port({ ...tiny, ...parts }, {}), { ...tiny, ...parts }) !== undefined
    const [token, ...rest] = tiny.added_tokens
    expect(quick({})).toBe(true)
    expect(quick({ pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first' } })).toBe(false)
    expect(quick({ added_tokens: [{ ...token, lstrip: true }, ...rest] })).toBe(false)
    expect(quick({ normalizer: { type: 'Lowercase' }, added_tokens: [{ ...token, normalized: true }, ...rest] })).toBe(false)
    expect(quick({ model: { ...tiny.model, unk_token: '<unk>' } })).toBe(false)
  })
})
