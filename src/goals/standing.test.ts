import { Matrix } from 'ml-matrix'
import { describe, expect, it } from 'vitest'
import { posteriorOf } from './posterior.ts'
import { bestOf, standingOf } from './standing.ts'

describe('where a completion stands', () => {
  it('V-LAPLACE-1: w·φ less k standard deviations of it', () => {
    const posterior = posteriorOf({ mean: [0], variance: [1] }, [{ x: [1], votes: [1, 0] }])
    expect(standingOf(posterior, [1])).toBeCloseTo(0.4010581375, 9)
    expect(standingOf(posterior, [-2], 1.5)).toBeCloseTo(-2 * 0.4010581375 - 3 * Math.sqrt(0.8063147294), 9)
  })

  it('best of n: without a penalty the highest, with one the one that is known to be good', () => {
    const posterior = { mean: [1, 1], covariance: Matrix.diag([0.01, 4]) }
    const phis = [
      [1, 0],
      [0, 1.5],
      [1, 0],
    ]
    expect(bestOf(posterior, phis)).toBe(1)
    expect(bestOf(posterior, phis, { sdPenalty: 1 })).toBe(0)
  })

  it('refuses none, and a penalty below 0', () => {
    const posterior = { mean: [1], covariance: Matrix.eye(1) }
    expect(() => bestOf(posterior, [])).toThrow(/^bestOf: must have completions to choose from, got none/)
    expect(() => standingOf(posterior, [1], -1)).toThrow(/^sdPenalty: must be a number of standard deviations ≥ 0, got -1/)
  })
})
