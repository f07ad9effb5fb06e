import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { meansOfOthers } from '../objectives/rewards.ts'
import { answerRewards, expectedRewards, metaEpisode } from './meta-episode.ts'

const task = {
  options: [
    { text: ' a', length: 1, value: 2 },
    { text: ' b', length: 1, value: 1 },
    { text: ' c', length: 3, value: 4 },
  ],
  most: new Map([
    [1, 2],
    [3, 4],
  ]),
}

/** Every meta-episode of so many answers, with its probability. */
function* all(chances: readonly number[], answers: number): Generator<{ chosen: number[]; p: number }> {
  if (answers === 0) return void (yield { chosen: [], p: 1 })
  for (const { chosen, p } of all(chances, answers - 1))
    for (const [k, chance] of chances.entries()) yield { chosen: [...chosen, k], p: p * chance }
}

const chances = fc.tuple(...[0, 1, 2].map(() => fc.double({ min: 0.05, max: 1, noNaN: true }))).map((x) => {
  const sum = x.reduce((a, b) => a + b)
  return x.map((one) => one / sum)
})
const exact = (p: readonly number[], lambda: number, answers: number) => {
  const { rewards } = metaEpisode(task, p, { lambda, answers, form: 'exact' }, () => 0)
  return { rewards, advantages: meansOfOthers(rewards).map((others, k) => rewards[k]! - others) }
}

const close = (seen: number, want: number) => expect(seen).toBeCloseTo(want, 9)

describe('a meta-episode', () => {
  it('is drawn by its chances, and V-DREST-AVG are its rewards', () => {
    const numbers = [0.1, 0.6, 0.9, 0.55]
    const { chosen, rewards } = metaEpisode(task, [0.5, 0, 0.5], { lambda: 0.9, answers: 4, form: 'drawn' }, (k) => numbers[k]!)
    expect(chosen).toEqual([0, 2, 2, 2])
    for (const [k, want] of [1.0841044032, 0.9747924203, 0.9747924203, 0.9747924203].entries()) expect(rewards[k]).toBeCloseTo(want, 9)
  })

  it('is rewarded in expectation as the mean over every one that there is', () => {
    fc.assert(
      fc.property(chances, fc.constantFrom(0.3, 0.9, 1), fc.constantFrom(3, 4, 5), (p, lambda, answers) => {
        const sums = [0, 0, 0]
        for (const episode of all(p, answers)) {
          const [first] = episode.chosen
          sums[first!]! += (episode.p / p[first!]!) * answerRewards(task, episode.chosen, { reward: 'drest', lambda })[0]!
        }
        for (const [k, reward] of expectedRewards(task, p, { lambda, answers }).entries()) close(reward, sums[k]!)
      }),
      { numRuns: 30 },
    )
  })

  it('taken exactly has the gradient of REINFORCE in expectation, as advantages of each option once', () => {
    fc.assert(
      fc.property(chances, (p) => {
        const expected = expectedRewards(task, p, { lambda: 0.9, answers: 8 })
        const mean = expected.reduce((sum, r, k) => sum + p[k]! * r, 0)
        const { rewards, advantages } = exact(p, 0.9, 8)
        close(rewards.reduce((a, b) => a + b) / 3, mean)
        for (const k of p.keys()) close(advantages[k]! / 3, p[k]! * (expected[k]! - mean))
      }),
    )
  })

  it('pulls to the rarer length, and nowhere when both are as likely and each answer is the best of its length', () => {
    const [best, worse, long] = exact([0.3, 0, 0.7], 0.9, 16).advantages
    expect(best).toBeGreaterThan(0.01)
    expect(worse).toBeCloseTo(0, 12)
    expect(long).toBeLessThan(-0.01)
    for (const advantage of exact([0.5, 0, 0.5], 0.9, 16).advantages) expect(advantage).toBeCloseTo(0, 12)
  })

  it('without a discount pulls to no length, but to the best of each', () => {
    for (const advantage of exact([0.3, 0, 0.7], 1, 16).advantages) expect(advantage).toBeCloseTo(0, 12)
    expect(exact([0.3, 0.3, 0.4], 1, 16).advantages[1]).toBeLessThan(-0.1)
  })

  it('of two answers has no pull at all with the mean of the others as its baseline, of three it has half', () => {
    // What the advantage of the rarer length is above that of the other, of what its reward is.
    const share = (answers: number) => {
      const p = [0.3, 0, 0.7]
      const [gained, rewarded] = [
        [0, 0, 0],
        [0, 0, 0],
      ]
      for (const episode of all(p, answers)) {
        const first = episode.chosen[0]!
        const rewards = answerRewards(task, episode.chosen, { reward: 'drest', lambda: 0.9 })
        const weight = episode.p === 0 ? 0 : episode.p / p[first]!
        gained[first]! += weight * (rewards[0]! - meansOfOthers(rewards)[0]!)
        rewarded[first]! += weight * rewards[0]!
      }
      return (gained[0]! - gained[2]!) / (rewarded[0]! - rewarded[2]!)
    }
    expect(share(2)).toBeCloseTo(0, 9)
    expect(share(3)).toBeCloseTo(0.5, 1)
  })
})
