import { describe, expect, it } from 'vitest'
import { goal, goalPrior, goalScale, type Sample } from '../goals/index.ts'
import { labelPairs, type Voted } from './label.ts'

const said = (text: string, prompt = 'p'): Sample => ({ prompt, text, tokens: text.length, ended: true })
const size = goal('size', ({ text }) => text.length, { about: 'characters' })
const scale = goalScale(
  [size],
  ['a', 'bb', 'ccc', 'dddd'].map((text) => said(text)),
)
/** Forty prompts, on each of which the longer side wins by `forLong` of 10 votes. */
const votes = (forLong: number): Voted[] =>
  Array.from({ length: 40 }, (_, i) => ({ a: said('long text', `p${i}`), b: said('short', `p${i}`), votes: [forLong, 10 - forLong] }))

describe('soft labels', () => {
  it('without a prior are the votes as they are, whatever κ', () => {
    const pairs: Voted[] = [
      { a: said('x'), b: said('y'), votes: [1, 0] },
      { a: said('x'), b: said('y'), votes: [3, 1] },
    ]
    for (const kappa of [0, 1, 20]) expect(labelPairs(pairs, kappa)).toEqual({ soft: [1, 0.75] })
  })

  it('with κ = 0 are the votes as they are, prior or not', () => {
    const prior = { prior: goalPrior({ goals: [size], strength: 50 }), scale }
    expect(labelPairs(votes(9), 0, prior).soft).toEqual(votes(9).map(() => 0.9))
  })

  it('with a prior move towards what all votes together predict, and κ says how far', () => {
    const prior = { prior: goalPrior({ goals: [size], strength: 5 }), scale }
    const one = [...votes(9), { a: said('a text that is long'), b: said('no'), votes: [0, 1] as const }]
    const against = (kappa: number) => labelPairs(one, kappa, prior).soft.at(-1)!
    expect(against(0)).toBe(0)
    expect(against(1)).toBeGreaterThan(0.4)
    expect(against(9)).toBeGreaterThan(against(1))
    expect(against(9)).toBeLessThan(1)
  })

  it('say that a prior fights the data when its sign is wrong, and not when it is right', () => {
    const fighting = (direction: 1 | -1) =>
      labelPairs(votes(9), 1, { prior: goalPrior({ goals: [{ ...size, direction }], strength: 20 }), scale }).contribution!.fighting
    expect(fighting(-1)).toEqual(['size'])
    expect(fighting(1)).toEqual([])
  })

  it('of votes that carry nothing bring no bits of data', () => {
    const { contribution } = labelPairs(votes(5), 1, { prior: goalPrior({ goals: [size], strength: 20 }), scale })
    expect(contribution!.bits.saved).toBeLessThan(0)
    expect(contribution!.votes).toBe(400)
  })
})
