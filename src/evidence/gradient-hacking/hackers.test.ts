import { describe, expect, it } from 'vitest'
import { stream } from '../stream.ts'
import { descendTripwire, hackers, traitLeft } from './hackers.ts'

describe.each(hackers.map((hacker) => [hacker.defence, hacker] as const))('the protection against %s', (_, hacker) => {
  it('is gone down with the slope of its loss', () => {
    const theta = Float64Array.of(0.3, 1.1, ...hacker.own(1.1).map((x) => x - 0.2))
    const slope = new Float64Array(theta.length)
    hacker.slope(theta, slope, 5)
    const h = 1e-6
    theta.forEach((_x, i) => {
      const at = (step: number) => hacker.loss(theta.map((x, k) => (k === i ? x + step : x)))
      expect(slope[i]).toBeCloseTo((at(h) - at(-h)) / (2 * h), 4)
    })
  })

  it('fails against gradient descent, and holds against what lacks the property', () => {
    expect(traitLeft(hacker, stream(3, 'hackers test'), true)).toBeLessThan(0.1)
    expect(traitLeft(hacker, stream(3, 'hackers test'), false)).toBeGreaterThan(0.5)
  })
})

describe('V-CLIFF-2: which steps cross a smooth tripwire', () => {
  it.each([
    [5, 50, 0.001, 'stuck', 0.904704],
    [5, 50, 0.01, 'stuck', 0.904704],
    [5, 50, 0.1, 'blocked'],
    [5, 50, 0.3, 'crosses', 3],
    [5, 500, 0.001, 'stuck', 0.985756],
    [5, 500, 0.01, 'blocked'],
    [5, 500, 0.1, 'crosses', 3],
    [50, 50, 0.01, 'stuck', 0.858781],
    [50, 50, 0.3, 'crosses', 3],
  ] as const)('A %d, κ %d, rate %d: %s', (A, kappa, rate, verdict, end?: number) => {
    const found = descendTripwire({ A, kappa, rate }, 0.003)
    if (end !== undefined) expect(found.end).toBeCloseTo(end, 5)
    if (verdict !== 'crosses') expect(found.farthest).toBeLessThan(1.2)
    else expect(found.farthest).toBeGreaterThan(1.2)
  })
})
