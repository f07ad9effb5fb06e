import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { chatIds, loadChatTemplate, type Message } from './chat-template.ts'
import { streamDecoder } from './stream-decoder.ts'
import { loadTokenizer, type Tokenizer } from './tokenizer.ts'

interface Golden {
  readonly texts: readonly string[]
  readonly ids: readonly (readonly number[])[]
  readonly decoded: readonly string[]
  readonly talks: readonly { messages: readonly Message[]; answer: boolean; text?: string; ids?: readonly number[]; refused?: string }[]
}

const folderOf = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url))
const kinds = ['text/byte-level', 'text/byte-fallback', 'text/metaspace']

/** The pieces of a stream, its end included. */
function stream(tokenizer: Tokenizer, ids: readonly number[], before: readonly number[] = []): string[] {
  const decoder = streamDecoder(tokenizer, before)
  return [...ids.map((id) => decoder.push(id)), decoder.end()]
}

describe.each(kinds)('%s, as tokenizers and transformers have it', async (name) => {
  const folder = folderOf(name)
  const golden = JSON.parse(readFileSync(`${folder}/golden.json`, 'utf8')) as Golden
  const tokenizer = await loadTokenizer(folder)
  const template = (await loadChatTemplate(folder))!

  it.each(golden.texts.map((text, i) => [JSON.stringify(text), i] as const))('reads and says %s', (_, i) => {
    expect(tokenizer.encode(golden.texts[i]!)).toEqual(golden.ids[i])
    expect(tokenizer.decode(golden.ids[i]!)).toBe(golden.decoded[i])
    expect(stream(tokenizer, golden.ids[i]!).join('')).toBe(golden.decoded[i])
  })

  it('adds no special tokens when asked not to', () => {
    for (const [i, text] of golden.texts.entries()) expect([1, ...tokenizer.encode(text, { special: false })]).toEqual(golden.ids[i])
  })

  it.each(golden.talks.map((talk) => [JSON.stringify(talk.messages), talk.answer, talk] as const))(
    'renders %s, answer %s',
    (_, answer, talk) => {
      if (talk.refused !== undefined) {
        const refused = () => template.render(talk.messages, { answer })
        expect(refused).toThrow(UserError)
        expect(refused).toThrow(
          `tokenizer_config.json: chat_template must render these ${talk.messages.length} messages, got "${talk.refused}"; `,
        )
        return
      }
      const text = template.render(talk.messages, { answer })
      expect(text).toBe(talk.text)
      expect(tokenizer.encode(text, { special: false })).toEqual(talk.ids)
      if (answer) expect(chatIds(template, tokenizer, talk.messages)).toEqual(talk.ids)
    },
  )
})

describe.each([...kinds, 'llama-tiny'])('text that comes one id at a time from %s', async (name) => {
  const tokenizer = await loadTokenizer(folderOf(name))
  const anyId = fc.oneof(fc.nat(tokenizer.vocabSize - 1), fc.nat(tokenizer.vocabSize + 9))
  const joined = fc.constantFrom(
    '👨\u200d👩\u200d👧\u200d👦',
    '👩🏽\u200d💻',
    '🏳️\u200d🌈',
    '❤️\u200d🔥',
    '🇩🇪',
    'é',
    '€',
    ' ',
    '\uFEFF',
    '\uFFFD',
    '▁',
    '<s>',
  )
  const anyText = fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), joined)).map((parts) => parts.join(''))

  it('is together what all ids say at once', () => {
    const law = fc.property(fc.array(anyId, { maxLength: 40 }), (ids) => {
      expect(stream(tokenizer, ids).join('')).toBe(tokenizer.decode(ids))
    })
    fc.assert(law, { numRuns: 500 })
  })

  it('never splits a character, and shows each one as soon as it is whole', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const ids = tokenizer.encode(text)
        const decoder = streamDecoder(tokenizer)
        let said = ''
        ids.forEach((id, i) => {
          const piece = decoder.push(id)
          said += piece
          expect(piece).toBe(Buffer.from(piece).toString()) // a lone half of a pair would not survive UTF-8
          const sofar = tokenizer.decode(ids.slice(0, i + 1))
          expect([sofar, sofar.slice(0, -1)]).toContain(said)
          if (!sofar.endsWith('\uFFFD')) expect(said).toBe(sofar)
        })
        expect(said + decoder.end()).toBe(tokenizer.decode(ids))
      }),
      { numRuns: 300 },
    )
  })

  it('goes on from what stands before', () => {
    fc.assert(
      fc.property(anyText, fc.array(anyId, { maxLength: 20 }), (text, ids) => {
        const before = tokenizer.encode(text)
        const whole = tokenizer.decode([...before, ...ids])
        const known = tokenizer.decode(before)
        expect(known + stream(tokenizer, ids, before).join('')).toBe(whole)
      }),
      { numRuns: 300 },
    )
  })

  it('decodes no more than a few ids for each, however long the text', () => {
    let most = 0
    const counting: Pick<Tokenizer, 'decode'> = {
      decode(ids) {
        most = Math.max(most, ids.length)
        return tokenizer.decode(ids)
      },
    }
    const decoder = streamDecoder(counting)
    for (const id of tokenizer.encode('The fox said 😀 to the naïve moon. '.repeat(50))) decoder.push(id)
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThan(30)
  })
})
