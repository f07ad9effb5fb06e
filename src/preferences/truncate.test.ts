import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fakeVocabulary } from '../../test/fake-vocabulary.ts'
import { readChatTemplate } from '../text/index.ts'
import type { Pair } from './pair.ts'
import type { PreferenceRow } from './row.ts'
import { tokenise } from './tokenise.ts'
import { truncations } from './truncate.ts'

const vocabulary = fakeVocabulary()
const template = readChatTemplate('t', "{% for m in messages %}{{ m.role + ':' + m.content + '</s>' }}{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}", {}) // biome-ignore format: one template
const texts = (ids: readonly number[]) => vocabulary.tokenizer.pieces(ids).join('')

function cut(row: PreferenceRow, truncate: (typeof truncations)[number], maxLength: number) {
  const made = tokenise(row, 0, vocabulary, { truncate, maxLength, template })
  if ('reason' in made) return made.reason
  const { prompt, chosen, rejected } = made.example as Pair
  return { prompt: texts(prompt), chosen: texts(chosen), rejected: texts(rejected), endTokens: made.endTokens, cutTokens: made.cutTokens }
}

describe('truncate', () => {
  const text: PreferenceRow = { form: 'pairText', prompt: 'abcdef', chosen: 'xyz', rejected: 'w' }
  const talk: PreferenceRow = {
    form: 'pairTalk',
    prompt: [{ role: 'system', content: 'S' }, { role: 'user', content: 'abcdef' }], // biome-ignore format: one line
    chosen: [{ role: 'assistant', content: 'xyz' }],
    rejected: [{ role: 'assistant', content: 'w' }],
  }

  it('cuts the prompt at its start or middle and keeps its beginning, or the completion at its end without an end token', () => {
    expect(cut(text, 'none', 8)).toBe('too long')
    expect(cut(text, 'start', 8)).toEqual({ prompt: '<s>def', chosen: 'xyz</s>', rejected: 'w</s>', endTokens: 2, cutTokens: 3 })
    expect(cut(text, 'middle', 8)).toEqual({ prompt: '<s>aef', chosen: 'xyz</s>', rejected: 'w</s>', endTokens: 2, cutTokens: 3 })
    expect(cut(text, 'end', 9)).toEqual({ prompt: '<s>abcdef', chosen: 'xy', rejected: 'w</s>', endTokens: 1, cutTokens: 2 })
  })

  it('keeps a system turn', () => {
    const asked = { chosen: 'xyz</s>', rejected: 'w</s>', endTokens: 0, cutTokens: 3 }
    expect(cut(talk, 'start', 32)).toEqual({ prompt: 'system:S</s>user:def</s>assistant:', ...asked })
    expect(cut(talk, 'none', 35)).toMatchObject({ prompt: 'system:S</s>user:abcdef</s>assistant:', cutTokens: 0 })
  })

  it('sets aside what would lose its whole prompt or a completion, and sides that are the same once cut', () => {
    expect(cut(text, 'start', 5)).toBe('too long')
    expect(cut(text, 'end', 7)).toBe('too long')
    expect(cut({ ...text, chosen: 'xa', rejected: 'xb' } as PreferenceRow, 'end', 8)).toBe('identical sides')
  })

  it('makes every row that it takes fit, changes none that fits, and leaves the other part as it was', () => {
    const word = fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(...'abcde') })
    fc.assert(
      fc.property(
        word,
        word,
        word,
        fc.constantFrom(...truncations),
        fc.integer({ min: 2, max: 30 }),
        (prompt, chosen, rejected, how, most) => {
          const row: PreferenceRow = { form: 'pairText', prompt, chosen, rejected }
          const [whole, made] = [tokenise(row, 0, vocabulary), tokenise(row, 0, vocabulary, { truncate: how, maxLength: most })]
          if ('reason' in whole || 'reason' in made) return
          const [a, b] = [whole.example as Pair, made.example as Pair]
          expect(b.prompt.length + Math.max(b.chosen.length, b.rejected.length)).toBeLessThanOrEqual(most)
          if (made.cutTokens === 0) expect(b).toEqual(a)
          else if (how === 'end') expect([b.prompt, b.chosen]).toEqual([a.prompt, a.chosen.slice(0, b.chosen.length)])
          else expect([b.chosen, b.rejected]).toEqual([a.chosen, a.rejected])
        },
      ),
    )
  })
})
