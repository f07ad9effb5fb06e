import { expect, it } from 'vitest'
import { random } from '../random/index.ts'
import { correlation } from './correlation.ts'
import { partialCorrelation } from './partial-correlation.ts'

const noise = (name: string, prompts = 60) => Array.from({ length: prompts }, (_, i) => Array.from(random(1, name).normals(4, i)))
const both = (a: readonly (readonly number[])[], b: readonly (readonly number[])[], by: number) =>
  a.map((group, i) => group.map((x, k) => x + by * b[i]![k]!))

/** What is left of numbers after the least-squares line in others. */
function rest(y: readonly (readonly number[])[], x: readonly (readonly number[])[]): number[][] {
  const [fy, fx] = [y.flat(), x.flat()]
  const [my, mx] = [fy, fx].map((all) => all.reduce((a, b) => a + b) / all.length) as [number, number]
  const slope = fx.reduce((sum, one, i) => sum + (one - mx) * (fy[i]! - my), 0) / fx.reduce((sum, one) => sum + (one - mx) ** 2, 0)
  return y.map((group, i) => group.map((one, k) => one - my - slope * (x[i]![k]! - mx)))
}

it('is the correlation of what is left after a line in the third', () => {
  const z = noise('z')
  const [x, y] = [both(noise('x'), z, 2), both(both(noise('y'), z, -1), noise('x'), 0.7)]
  const { estimate, low, high, n } = partialCorrelation('r', x, y, z)
  expect(estimate).toBeCloseTo(correlation('r', rest(x, z), rest(y, z)).estimate, 10)
  expect([low < estimate, high > estimate, n]).toEqual([true, true, 60])
  // Fisher's interval with one degree of freedom less.
  const half = 1.96 / Math.sqrt(240 - 4)
  expect(Math.atanh(high) - Math.atanh(low)).toBeGreaterThan(1.4 * half)
  expect(Math.atanh(high) - Math.atanh(low)).toBeLessThan(2.8 * half)
})

it('without a third, or one that never changes, is the correlation', () => {
  const [x, y] = [noise('x'), both(noise('y'), noise('x'), 0.5)]
  const want = correlation('r', x, y)
  for (const given of [undefined, x.map((group) => group.map(() => 7))]) {
    const { estimate, low, high } = partialCorrelation('r', x, y, given)
    expect(estimate).toBeCloseTo(want.estimate, 10)
    expect(low).toBeCloseTo(want.low, 10)
    expect(high).toBeCloseTo(want.high, 10)
  }
})

it('says nothing of what never changes, and of a line of the third', () => {
  const x = noise('x')
  const nothing = { estimate: 0, low: -1, high: 1, n: 60, unit: 'correlation' }
  expect(partialCorrelation('r', x, x.map((group) => group.map(() => 3)))).toEqual(nothing) // biome-ignore format: one line
  expect(partialCorrelation('r', x, noise('y'), both(x, x, 1))).toEqual(nothing)
  expect(() => partialCorrelation('r', x, x.slice(1))).toThrow(/all sides must have the same prompts, got 60, 59 and 60/)
})
