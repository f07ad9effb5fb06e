import { describe, expect, it } from 'vitest'
import { fakeVocabulary } from '../../test/fake-vocabulary.ts'
import { hashIds, hashTable } from './hashes.ts'
import { openNearStore, shingled } from './near-store.ts'
import { overlapsOf, renderOverlaps } from './overlap.ts'

describe('overlapsOf', () => {
  const { tokenizer } = fakeVocabulary()
  const prompts = (...texts: string[]) => texts.map((text) => tokenizer.encode(text))

  it('counts distinct prompts of one part that are in another, the same and nearly', () => {
    const [store, places] = [openNearStore(), hashTable()]
    for (const ids of prompts('a cat', 'a dog')) {
      places.set(hashIds(ids), store.size)
      store.add(shingled(tokenizer.decode(ids)))
    }
    const others = { heldOut: prompts('a cat', 'a cat', 'A DOG!', 'a bird'), sealed: prompts('a fish') }
    const overlaps = overlapsOf({ prompts: store, places }, others, tokenizer)
    expect(overlaps).toEqual([
      { of: ['train', 'heldOut'], prompts: 3, same: 1, near: 2 },
      { of: ['train', 'sealed'], prompts: 1, same: 0, near: 0 },
      { of: ['heldOut', 'sealed'], prompts: 1, same: 0, near: 0 },
    ])
    expect(renderOverlaps(overlaps)[0]).toBe('overlap     held-out and this file: 1 of 3 prompts are the same, 1 more nearly')
  })
})
