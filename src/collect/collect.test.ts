import { expect, it } from 'vitest'
import { z } from 'zod'
import { askedSchema, pairsOf, pairUp, rowPrompt } from './collect.ts'
import type { SampledText } from './sample-texts.ts'

const spoken = (text: string): SampledText => ({
  prompt: { text: 'Once', ids: [1] },
  completion: { ids: [...text].map((letter) => letter.charCodeAt(0)), logps: [], ended: true },
  sample: { prompt: 'Once', text, tokens: text.length, ended: true },
})
const said = (texts: string, compare: 'ring' | 'all' = 'ring') =>
  pairUp([[...texts].map(spoken)], compare).map(({ a, b }) => String.fromCharCode(a.ids[0]!, b.ids[0]!))

it('completions of a prompt stand in a ring, each beside the next', () => {
  expect(said('ab')).toEqual(['ab'])
  expect(said('abc')).toEqual(['ab', 'bc', 'ca'])
  expect(said('abcd')).toEqual(['ab', 'bc', 'cd', 'da'])
  expect([1, 2, 3, 4].map((n) => pairsOf(n, 'ring').length)).toEqual([0, 1, 3, 4])
})

it('or each is compared with every other', () => {
  expect(said('abcd', 'all')).toEqual(['ab', 'ac', 'ad', 'bc', 'bd', 'cd'])
  expect([1, 2, 3, 4].map((n) => pairsOf(n, 'all').length)).toEqual([0, 1, 3, 6])
})

it('a talk stays a talk in the rows of a round, as they are kept and read', () => {
  const messages = [{ role: 'user' as const, content: 'Once' }]
  const group = ['a', 'b'].map((text) => ({ ...spoken(text), prompt: { text: 'Once', ids: [1], messages } }))
  const [row] = z.array(askedSchema).parse(JSON.parse(JSON.stringify(pairUp([group], 'ring'))))
  expect(rowPrompt(row!)).toEqual({ text: 'Once', ids: [1], messages })
  expect(rowPrompt(pairUp([['a', 'b'].map(spoken)], 'ring')[0]!)).toEqual({ text: 'Once', ids: [1] })
})

it('two that say the same are no pair, and no pair at all is an error', () => {
  expect(said('aab')).toEqual(['ab', 'ba'])
  expect(() => pairUp([[spoken('a'), spoken('a')]], 'ring')).toThrow(/must differ to be compared, got 1 pairs of the same text/)
})
