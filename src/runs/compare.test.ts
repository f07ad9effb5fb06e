import { describe, expect, it } from 'vitest'
import { studentQuantile } from '../goals/special-functions.ts'
import { compare, meanOver } from './compare.ts'
import { exactly, type Table } from './table.ts'

const a = [1.2, 0.7, 1.9, 1.1, 0.3]
const b = [0.4, 0.9, 1.0, 0.2, 0.1]
const c = [0.4, 0.9, 1.0, 0.2, 0.1, 3.0, -2.0]
const arm = (arm: string, values: readonly number[]): Table => ({
  about: arm,
  rows: [{ ...exactly('x', 0, { arm, goal: 'kind' }), values }],
})

describe('comparisons of tables', () => {
  // scipy 1.x: stats.t.ppf
  it.each([
    [0.975, 1, 12.706204736174694],
    [0.975, 2.5, 3.5746548420036817],
    [0.975, 19, 2.0930240544083087],
    [0.995, 7.3, 3.451031655622185],
    [0.1, 3, -1.6377443536962089],
    [0.5, 3, 0],
  ])('Student’s quantile of %d with %d degrees of freedom is %d', (p, freedom, t) => expect(studentQuantile(p, freedom)).toBeCloseTo(t, 9))

  // scipy: ttest_1samp(a, 0), ttest_rel(a, b), ttest_ind(a, c, equal_var=False), each .confidence_interval()
  it('a mean has Student’s interval', () => {
    const { estimate, low, high, n } = meanOver('x', a)
    expect([estimate, low, high].map((x) => x.toFixed(10))).toEqual(['1.0400000000', '0.2970739233', '1.7829260767'])
    expect(n).toBe(5)
  })

  it('paired rows are compared seed by seed', () => {
    const [row] = compare(arm('dpo', a), arm('ipo', b), { paired: true }).rows
    expect(row).toMatchObject({ name: 'x', group: { arm: 'dpo − ipo', goal: 'kind' }, n: 5 })
    expect([row!.estimate, row!.low, row!.high].map((x) => x.toFixed(9))).toEqual(['0.520000000', '-0.097095765', '1.137095765'])
  })

  it('others by Welch', () => {
    const [row] = compare(arm('dpo', a), arm('ipo', c), { paired: false }).rows
    expect([row!.estimate, row!.low, row!.high].map((x) => x.toFixed(9))).toEqual(['0.525714286', '-0.893702562', '1.945131134'])
  })

  it('refuses what has no partner, too few values, or is not paired', () => {
    const other: Table = { about: 'c', rows: [{ ...exactly('y', 0, { arm: 'c', goal: 'kind' }), values: a }] }
    expect(() => compare(arm('a', a), other, { paired: true })).toThrow('must have a partner')
    expect(() => compare(arm('a', a), arm('c', c), { paired: true })).toThrow('same seeds, got 5 and 7')
    expect(() => compare(arm('a', [1]), arm('c', [2]), { paired: false })).toThrow('at least 2 values, got 1')
  })
})
