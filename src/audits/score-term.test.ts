import { describe, expect, it } from 'vitest'
import { tensor } from '../graph/index.ts'
import { random } from '../random/index.ts'
import { scoreTerm } from './score-term.ts'

/** A draw of Bernoulli(σ(θ)): its loss, and ∂ log p. */
const draw = (one: boolean, p: number, [a, b]: readonly [number, number]) => ({
  loss: one ? a : b,
  score: { theta: tensor(Float64Array.of(one ? 1 - p : -p), [1]) },
})

describe('the part of the gradient that moves the draws', () => {
  it('V-SCORE-1: over both draws at θ = 0 it is 0.25 · (a − b)', () => {
    for (const losses of [
      [3, 1],
      [-2, 5],
    ] as const) {
      const both = [draw(true, 0.5, losses), draw(false, 0.5, losses)]
      expect(scoreTerm(both, false).theta![0]).toBeCloseTo(0.25 * (losses[0] - losses[1]), 12)
    }
  })

  it('V-SCORE-1: of draws it is p(1 − p)(a − b) on average, with the mean of the others taken off', () => {
    const [p, source] = [0.2, random(0, 'draws')]
    const estimates = Array.from({ length: 2000 }, (_, i) => {
      const draws = Array.from({ length: 8 }, (_, k) => draw(source.uniform(i, k) < p, p, [3, 1]))
      return scoreTerm(draws).theta![0]!
    })
    const mean = estimates.reduce((sum, x) => sum + x, 0) / estimates.length
    const sd = Math.sqrt(estimates.reduce((sum, x) => sum + (x - mean) ** 2, 0) / estimates.length)
    expect(Math.abs(mean - p * (1 - p) * 2)).toBeLessThan((4 * sd) / Math.sqrt(estimates.length))
  })
})
