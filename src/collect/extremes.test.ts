import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { extremes, type SoftPair } from './extremes.ts'

const pair = (prompt: number, better: number, worse: number, label = 0.9): SoftPair => ({
  tree: { prompt: [prompt], completions: [[better], [worse]] },
  label,
})

describe('extremes', () => {
  it('are the best and the worst completion of each prompt, by all of its pairs', () => {
    // Prompt 1: 10 beats all, 13 loses to all, though 11 against 12 was the clearest single vote.
    const one = [pair(1, 10, 11, 0.7), pair(1, 10, 12, 0.8), pair(1, 10, 13), pair(1, 11, 12, 0.99), pair(1, 11, 13), pair(1, 12, 13)]
    const two = [pair(2, 10, 11), pair(2, 11, 12, 0.6), pair(2, 10, 12, 0.95)]
    expect(extremes([one[0]!, two[0]!, ...one.slice(1), ...two.slice(1)])).toEqual([one[2], two[2]])
  })

  it('by the posterior are the pair whose sides stand furthest apart, whatever the labels', () => {
    const stood = (better: number, worse: number, standings: [number, number]) => ({ ...pair(1, better, worse, 0.9), standings })
    const all = [stood(10, 11, [0.2, 0.1]), stood(10, 12, [0.2, 1.5]), stood(11, 12, [0.1, 1.5])]
    expect(extremes(all)).toEqual([all[2]])
  })

  it('are among the pairs that were asked, where not all were: in a ring the widest of its neighbours', () => {
    const ring = [pair(1, 10, 11, 0.6), pair(1, 11, 12, 0.7), pair(1, 12, 13, 0.9), pair(1, 10, 13, 0.8)]
    // Mean labels: 10 at 0.7, 11 at 0.55, 12 at 0.6, 13 at 0.15.
    expect(extremes(ring)).toEqual([ring[3]])
  })

  it('are one pair of every prompt, the only one where there is no other', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(4), fc.nat(3), fc.nat(3), fc.double({ min: 0.5, max: 1, noNaN: true }))), (drawn) => {
        const all = drawn.map(([prompt, a, b, label]) => pair(prompt, a, b, label))
        const kept = extremes(all)
        expect(new Set(kept.map(({ tree }) => tree.prompt[0])).size).toBe(kept.length)
        expect(kept.length).toBe(new Set(all.map(({ tree }) => tree.prompt[0])).size)
        expect(all).toEqual(expect.arrayContaining(kept))
      }),
    )
    expect(extremes([pair(3, 1, 2)])).toEqual([pair(3, 1, 2)])
  })
})
