import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Tokenizer } from '@huggingface/tokenizers'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { loadTokenizer } from './tokenizer.ts'

const tiny = fileURLToPath(new URL('../../fixtures/llama-tiny', import.meta.url))
const tokenizer = await loadTokenizer(tiny)
const folder = mkdtempSync(join(tmpdir(), 'innate-tokenizer-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('a byte-level tokenizer', () => {
  it('says back what it was told, after its beginning-of-text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const ids = tokenizer.encode(text)
        expect(ids[0]).toBe(1)
        expect(tokenizer.decode(ids)).toBe(text)
        expect(ids.every((id) => id < tokenizer.vocabSize)).toBe(true)
      }),
    )
  })

  it('keeps spaces before punctuation', () => {
    expect(tokenizer.decode(tokenizer.encode("it 's , here !"))).toBe("it 's , here !")
  })

  it('shows one piece per token, and tokens that have none', () => {
    expect(tokenizer.pieces(tokenizer.encode('Hi the'))).toEqual(['<s>', 'H', 'i', 'Ġthe'])
    expect(tokenizer.pieces([1, 5000])).toEqual(['<s>', '<id 5000>'])
    expect(tokenizer.decode([1, 5000])).toBe('')
    expect(tokenizer.decode([])).toBe('')
  })

  it('counts its ids', () => {
    expect(tokenizer.vocabSize).toBe(320)
  })
})

describe('a SentencePiece vocabulary, which says nothing of words', () => {
  const stories = fileURLToPath(new URL('../../box/stories5m', import.meta.url))
  const parts = JSON.parse(readFileSync(join(stories, 'tokenizer.json'), 'utf8'))
  const piece = fc.constantFrom('the', 'cat', ' ', '  ', '▁', '.', '\n', 'é', '🐈', 'One day', "n't", ' a')
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece).map((pieces) => pieces.join('')),
  )

  it('is read word by word with the same ids as all at once', async () => {
    const cut = await loadTokenizer(stories)
    const uncut = new Tokenizer(parts, {})
    fc.assert(
      fc.property(texts, (text) => {
        expect(cut.encode(text)).toEqual(uncut.encode(text).ids)
      }),
      { numRuns: 1000 },
    )
  })

  it('is read all at once where a piece reaches across a space', async () => {
    const model = {
      ...parts.model,
      vocab: { ...parts.model.vocab, 's▁a': Object.keys(parts.model.vocab).length },
      merges: parts.model.merges.toSpliced(4, 0, 's ▁a'),
    }
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify({ ...parts, model }))
    const across = await loadTokenizer(folder)
    expect(across.pieces(across.encode('cats and'))).toContain('s▁a')
  })
})

describe('loadTokenizer', () => {
  const good = JSON.parse(readFileSync(join(tiny, 'tokenizer.json'), 'utf8'))
  const { model, ...headless } = good

  it('needs no tokenizer_config.json', async () => {
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(good))
    expect((await loadTokenizer(folder)).encode('the cat')).toEqual(tokenizer.encode('the cat'))
  })

  it('refuses a folder without tokenizer.json', async () => {
    await expect(loadTokenizer(join(folder, 'none'))).rejects.toThrow(
      /tokenizer\.json: must be a readable file, got ENOENT; a model folder/,
    )
  })

  it.each<[string, string, string]>([
    ['a cut file', '{"model": {"vo', 'tokenizer.json: must be JSON, got'],
    ['another file', '[1, 2]', 'tokenizer.json: expected object, got [1,2]'],
    ['a tokenizer without a model', JSON.stringify(headless), 'tokenizer.json: model: expected object, got nothing'],
    [
      'an unknown kind',
      JSON.stringify({ ...good, model: { ...model, type: 'Sounds' } }),
      'model.type: Invalid option: expected one of "BPE"|"Unigram"|"WordPiece", got "Sounds"',
    ],
    ['an unknown part', JSON.stringify({ ...good, pre_tokenizer: { type: 'Sounds' } }), 'that @huggingface/tokenizers reads, got "'],
    [
      'a token without an id',
      JSON.stringify({ ...good, added_tokens: [{ content: '<s>' }] }),
      'added_tokens.0.id: expected number, got nothing',
    ],
  ])('refuses %s', async (_, text, says) => {
    writeFileSync(join(folder, 'tokenizer.json'), text)
    const refused = loadTokenizer(folder)
    await expect(refused).rejects.toThrow(UserError)
    await expect(refused).rejects.toThrow(says)
    await expect(refused).rejects.toThrow(join(folder, 'tokenizer.json'))
  })
})
