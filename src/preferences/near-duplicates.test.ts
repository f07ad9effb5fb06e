import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nearDuplicates } from './near-duplicates.ts'
import { openNearStore, shingled } from './near-store.ts'

const sentence = 'the little fox went down to the river and drank there until the sun was low'

describe('near duplicates', () => {
  it.each<[string, readonly string[], number]>([
    ['other case, spaces and marks', ['Who are you?', 'who  are YOU', 'whoareyou!', 'Who are they?'], 2],
    ['other forms of one letter', ['ﬁne café', 'fine cafe\u0301', 'fine cafe'], 2],
    ['digits count', ['Tale 1', 'tale 2', 'TALE, 1.'], 2],
    ['one word more at the end of many', [sentence, `${sentence} now`, `Once ${sentence}`], 1],
    ['one word of the middle changed', [sentence, sentence.replace('river', 'lake')], 2],
    ['under five words only the first rule', ['one two three four', 'one two three five'], 2],
    ['no letters at all', ['?!', '?!', '…', '🙂'], 3],
  ])('%s', (_, texts, groups) => {
    expect(nearDuplicates(texts)).toHaveLength(groups)
    expect(inStore(texts)).toHaveLength(groups)
  })

  it('are linked by a chain', () => {
    const words = sentence.split(' ')
    const chain = [0, 1, 2, 3].map((n) => [...words.slice(n), ...Array.from({ length: n }, (_, i) => `new${i}`)].join(' '))
    expect(nearDuplicates([chain[0]!, chain[3]!])).toHaveLength(2)
    expect(nearDuplicates(chain)).toEqual([[0, 1, 2, 3]])
  })

  it('are those that comparing all pairs finds', () => {
    const word = fc.constantFrom(...'abcdef')
    const text = fc.array(word, { minLength: 4, maxLength: 30 })
    const changed = fc.tuple(text, fc.nat(), fc.nat(3)).map(([words, at, how]) => {
      const i = at % words.length
      return [words, how === 0 ? words : [...words.slice(0, i), ...(how === 1 ? [] : ['g']), ...words.slice(i + (how === 3 ? 0 : 1))]]
    })
    fc.assert(
      fc.property(fc.array(changed, { minLength: 1, maxLength: 12 }), (drawn) => {
        const texts = drawn.flat().map((words) => words.join(' '))
        expect(nearDuplicates(texts)).toEqual(byAllPairs(texts))
        expect(inStore(texts)).toEqual(byAllPairs(texts))
      }),
      { numRuns: 300 },
    )
  })
})

/** What a store finds of them, put into it after others that are not asked for. */
function inStore(texts: readonly string[]): number[][] {
  const store = openNearStore()
  for (const text of [...texts, 'others', ...texts]) store.add(shingled(text))
  const groups = store.groups([[texts.length + 1, 2 * texts.length + 1]]).list()
  store.close()
  const own = groups.map((group) => group.map((i) => i - texts.length - 1)).filter(([i]) => i! >= 0)
  return own
}

/** The definition word for word, with every text against every other. */
function byAllPairs(texts: readonly string[]): number[][] {
  const shingles = (text: string) => {
    const words = text.split(' ')
    return new Set(words.slice(4).map((_, i) => words.slice(i, i + 5).join(' ')))
  }
  const near = (a: string, b: string) => {
    if (a.replaceAll(' ', '') === b.replaceAll(' ', '')) return true
    const [x, y] = [shingles(a), shingles(b)]
    const both = [...x].filter((shingle) => y.has(shingle)).length
    return x.size > 0 && y.size > 0 && both / (x.size + y.size - both) >= 0.8
  }
  const group = texts.map((_, i) => i)
  const pairs = texts.flatMap((a, i) => texts.slice(0, i).flatMap((b, j) => (near(a, b) ? [[i, j] as const] : [])))
  // As often as there are texts, the lower number of a pair goes to both.
  for (const _ of texts) for (const [i, j] of pairs) group[i] = group[j] = Math.min(group[i]!, group[j]!)
  return [...new Set(group)].map((g) => group.flatMap((x, i) => (x === g ? [i] : [])))
}
