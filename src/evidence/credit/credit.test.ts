import { describe, expect, it } from 'vitest'
import { stream } from '../stream.ts'
import { evaluationsByDistance, gradientCost, ways } from './distance.ts'
import { evaluationsOfNetwork, networkOf } from './network.ts'

describe('evaluations of a linear network', () => {
  it('backpropagation halves the distance: a hundredth of the loss takes four gradients, whatever the size', () => {
    for (const n of [1, 10, 1000]) expect(evaluationsByDistance('backpropagation', n, stream(0, 'x'))).toBe(4 * gradientCost)
  })

  it('random directions have the rate of the closed form: 1 − 1/(N + 2) a pair', () => {
    const [n, runs] = [100, 30]
    const found = Array.from({ length: runs }, (_, seed) => evaluationsByDistance('evolution strategy', n, stream(seed, 'pairs')))
    const mean = found.reduce((sum, x) => sum + x / runs, 0)
    const wanted = 2 * (n + 2) * Math.log(100)
    expect(Math.abs(mean / wanted - 1)).toBeLessThan(0.06)
  })

  it('by the distance alone is as with every weight written out', () => {
    const [n, runs] = [20, 40]
    const written = (seed: number) => {
      const rng = stream(seed, 'written')
      const error = new Float64Array(n)
      error[0] = 1
      let evaluations = 0
      for (let square = 1; square > 0.01; evaluations++) {
        const sigma = (1.2 * Math.sqrt(square)) / n
        const next = error.map((e) => e + sigma * rng.normal())
        const of = (at: Float64Array) => at.reduce((sum, e) => sum + e * e, 0)
        if (of(next) < square) {
          error.set(next)
          square = of(next)
        }
      }
      return evaluations
    }
    const mean = (of: (seed: number) => number) => Array.from({ length: runs }, (_, seed) => of(seed)).reduce((sum, x) => sum + x / runs, 0)
    const [direct, short] = [mean(written), mean((seed) => evaluationsByDistance('selection on one bit', n, stream(seed, 'short')))]
    expect(Math.abs(direct / short - 1)).toBeLessThan(0.12)
  })
})

describe('evaluations of a tanh network', () => {
  it('end, are the same each time, and the network has about so many parameters', () => {
    for (const way of ways) {
      const found = evaluationsOfNetwork(way, 31, 1)
      expect(found).toBeGreaterThan(0)
      expect(found).toBeLessThan(100_000)
      expect(evaluationsOfNetwork(way, 31, 1)).toBe(found)
    }
    expect(networkOf(316).count).toBe(316)
  })
})
