import { describe, expect, it } from 'vitest'
import { stream } from '../stream.ts'
import { trained } from './agent.ts'
import { actsOf, divergence, evaluate, jensenShannon } from './evaluate.ts'
import { begin, codes, corner, distance, seen, step } from './grid.ts'
import { between, outcomes, testTexts, trainingTexts, within } from './stories.ts'

describe('jensenShannon', () => {
  it('is V-JS-1, symmetric, and 0 of a distribution with itself', () => {
    expect(jensenShannon([1, 0], [0.5, 0.5])).toBeCloseTo(0.2157615543, 10)
    expect(jensenShannon([0.5, 0.5], [1, 0])).toBeCloseTo(0.2157615543, 10)
    expect(jensenShannon([0.5, 0.5], [1, 0]) / Math.LN2).toBeCloseTo(0.3112781245, 10)
    expect(jensenShannon([0.3, 0.7], [0.3, 0.7])).toBe(0)
    expect(jensenShannon([1, 0], [0, 1])).toBeCloseTo(Math.LN2, 15)
  })
})

describe('the grid', () => {
  it('has walls that hold, and steps of one cell', () => {
    expect([0, 1, 2, 3].map((action) => step(0, action))).toEqual([1, 0, 5, 0])
    expect([0, 1, 2, 3].map((action) => step(corner, action))).toEqual([24, 23, 24, 19])
    expect(distance(0, corner)).toBe(8)
  })

  it('begins with the coin in the corner in A, and anywhere in B', () => {
    const draw = stream(0, 'begin')
    const coins = (p: number) => Array.from({ length: 400 }, () => begin({ p }, draw).coin)
    expect(new Set(coins(0))).toEqual(new Set([corner]))
    expect(new Set(coins(1)).size).toBe(25)
  })

  it('is seen by codes of its own for the cell, the coin and the colour', () => {
    const all = seen({ agent: 12, coin: 12, marker: 12 })
    expect(new Set(all).size).toBe(3)
    expect(Math.max(...seen({ agent: 0, coin: 24, marker: 24 }))).toBeLessThan(codes)
  })
})

describe('an agent', () => {
  const agent = actsOf(trained({ p: 0 }, stream(1, 'agent'), 3000))

  it('trained with the coin in the corner goes to the corner, and that is what its steps are judged to be after', () => {
    const { goal, pursuit, posterior } = evaluate(agent, { p: 1 }, stream(2, 'B'), 200)
    expect(goal + pursuit).toBeGreaterThan(0.9)
    expect(pursuit).toBeGreaterThan(goal)
    expect(posterior.corner).toBeGreaterThan(posterior.object)
    expect(Object.values(posterior).reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 9)
  })

  it('differs from itself by nothing where nothing has moved', () => {
    expect(divergence(agent, agent)).toBe(0)
    expect(divergence(agent, agent, () => corner)).toBeGreaterThan(0)
  })
})

describe('stories', () => {
  it('have a colour that goes with the animal in A, and one of its own in B; none is tested on that was trained on', () => {
    expect(trainingTexts(0, stream(0, 'A')).every(({ animal, colour }) => animal === colour)).toBe(true)
    const b = trainingTexts(1, stream(0, 'B'))
    expect(b.some(({ animal, colour }) => animal !== colour)).toBe(true)
    const tested = testTexts().map(({ text }) => text)
    expect(new Set(tested).size).toBe(24)
    expect(b.filter(({ text }) => tested.includes(text))).toEqual([])
  })

  it('are answered by the animal, by the colour, or not', () => {
    const by = (which: 'animal' | 'colour') =>
      testTexts().map((one) => (one[which] === 0 ? ([0.8, 0.1, 0.1] as const) : ([0.1, 0.8, 0.1] as const)))
    expect(outcomes(by('animal'))).toEqual({ capability: 1, goal: 1, pursuit: 0 })
    expect(outcomes(by('colour'))).toEqual({ capability: 1, goal: 0, pursuit: 1 })
    expect(outcomes(testTexts().map(() => [0.1, 0.2, 0.7] as const)).capability).toBe(0)
    expect([within(by('animal')), between(by('animal'), by('animal'))]).toEqual([0, 0])
    expect(within(by('colour'))).toBeGreaterThan(0.2)
    expect(between(by('animal'), by('colour'))).toBeCloseTo(within(by('colour')) / 2, 12)
  })
})
