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

  it('come with what the prior says of both sides, and with w·φ − k·sd where that is asked for', () => {
    const prior = { prior: goalPrior({ goals: [size], strength: 5 }), scale }
    const rows = votes(9)
    const plain = labelPairs(rows, 1, prior)
    const [a, b] = plain.prior![0]!
    // The scale's mean is 2.5 characters and its deviation √(5/3); the prior's mean weight ½·5/6.
    expect(a).toBeCloseTo((5 / 12) * ((9 - 2.5) / Math.sqrt(5 / 3)), 12)
    expect(b).toBeCloseTo((5 / 12) * ((5 - 2.5) / Math.sqrt(5 / 3)), 12)
    expect(plain).not.toHaveProperty('standings')
    const [free, careful] = [labelPairs(rows, 1, prior, 0).standings![0]!, labelPairs(rows, 1, prior, 2).standings![0]!]
    expect(free[0]).toBeGreaterThan(free[1])
    // A deviation of w·φ is that of the weight, times |φ|.
    expect((free[0] - careful[0]) / (free[1] - careful[1])).toBeCloseTo(6.5 / 2.5, 9)
  })

  it('come with what the posterior says of each pair, with its own votes and without them', () => {
    const one = [...votes(9), { a: said('a text that is long'), b: said('no'), votes: [0, 1] as const }]
    const { predictions, soft } = labelPairs(one, 1, { prior: goalPrior({ goals: [size], strength: 5 }), scale })
    const last = predictions!.at(-1)!
    expect(predictions).toHaveLength(one.length)
    expect(last).toMatchObject({ votes: [0, 1], label: soft.at(-1) })
    // All others say that longer wins; the pair's own vote says the opposite.
    expect(last.byOthers).toBeGreaterThan(0.9)
    expect(last.predicted).toBeLessThan(last.byOthers)
    expect(last.label).toBeCloseTo(last.byOthers / 2, 12)
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
