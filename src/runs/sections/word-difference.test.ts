import fc from 'fast-check'
import { expect, it } from 'vitest'
import { wordDifference } from './word-difference.ts'

const text = (parts: readonly { text: string }[]) => parts.map((part) => part.text).join('')

it('both texts are kept whole, and what is not marked is in both', () => {
  const words = fc.array(fc.constantFrom('the', 'fox', 'ran', 'home', 'and', 'slept', '.', '\n', '你好', '<b>'), { maxLength: 40 })
  fc.assert(
    fc.property(words, words, (a, b) => {
      const [before, after] = [a.join(' '), b.join(' ')]
      const found = wordDifference(before, after)
      if (!found) return
      expect([text(found.before), text(found.after)]).toEqual([before, after])
      const same = (parts: typeof found.before) => text(parts.filter((part) => !part.changed))
      expect(same(found.before)).toBe(same(found.after))
    }),
  )
})

it('the same text has no change; texts without a run in common have no parts', () => {
  expect(wordDifference('a b c', 'a b c')).toEqual({
    before: [{ text: 'a b c', changed: false }],
    after: [{ text: 'a b c', changed: false }],
  })
  expect(wordDifference('one two', 'three four')).toBeUndefined()
})

it('a changed word among many is marked alone', () => {
  expect(wordDifference('the fox ran home that night', 'the fox walked home that night')!.after).toEqual([
    { text: 'the fox ', changed: false },
    { text: 'walked', changed: true },
    { text: ' home that night', changed: false },
  ])
})
