import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bestOfNLaw, fitLaw, policyGradientLaw } from './over-optimisation.ts'

describe('the peaks of V-GAO-1', () => {
  it('of the best of n', () => {
    expect(bestOfNLaw.peak(1, 0.1)).toEqual({ distance: 5, gold: 2.5 })
  })

  it('of a policy gradient', () => {
    const { distance, gold } = policyGradientLaw.peak(1, 0.25)!
    expect([distance, gold].map((x) => Number(x.toFixed(7)))).toEqual([20.0855369, 5.0213842])
  })
})

describe.each([bestOfNLaw, policyGradientLaw])('the law of $name', (law) => {
  const numbers = fc.record({ alpha: fc.double({ min: 0.1, max: 3, noNaN: true }), beta: fc.double({ min: 0.05, max: 2, noNaN: true }) })
  const gold = (alpha: number, beta: number, d: number) => alpha * law.terms(d)[0] - beta * law.terms(d)[1]

  it('is highest at its peak', () => {
    fc.assert(
      fc.property(numbers, ({ alpha, beta }) => {
        const peak = law.peak(alpha, beta)!
        expect(gold(alpha, beta, peak.distance)).toBeCloseTo(peak.gold, 8 - Math.ceil(Math.log10(1 + peak.gold)))
        for (const by of [0.9, 1.1]) expect(gold(alpha, beta, by * peak.distance)).toBeLessThan(peak.gold)
      }),
    )
  })

  it('is found again from its points', () => {
    fc.assert(
      fc.property(numbers, ({ alpha, beta }) => {
        const fitted = fitLaw(
          law,
          [0, 0.3, 0.7, 1, 1.5, 2.5].map((d) => [d, gold(alpha, beta, d)]),
        )
        expect(fitted.alpha).toBeCloseTo(alpha, 8)
        expect(fitted.beta).toBeCloseTo(beta, 8)
        expect(fitted.gold(2)).toBeCloseTo(gold(alpha, beta, 2), 8)
      }),
    )
  })

  it('has no peak where gold does not fall, and no fit at one distance', () => {
    expect(law.peak(1, 0)).toBeUndefined()
    expect(law.peak(1, -0.5)).toBeUndefined()
    expect(() => fitLaw(law, [[0, 0], [1, 2]])).toThrow('needs at least 2 distances above 0') // biome-ignore format: one line
  })
})
