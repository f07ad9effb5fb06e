import { Matrix } from 'ml-matrix'
import { describe, expect, it } from 'vitest'
import { goals } from './index.ts'
import { posteriorOf } from './posterior.ts'
import { goalPrior } from './prior.ts'
import { voteTells } from './vote-tells.ts'

describe('what a vote would tell', () => {
  it('is half the logarithm of what it adds to the determinant of the precision', () => {
    const prior = goalPrior({ goals: [goals.length, goals.complete], strength: 8 })
    const pairs = [0.3, -1.2, 0.8, 2].map((x, i) => ({ x: [x, 1 - i], votes: [i, 2] as const }))
    const posterior = posteriorOf(prior, pairs)
    const x = [0.7, -0.4]
    const p = 1 / (1 + Math.exp(-(0.7 * posterior.mean[0]! - 0.4 * posterior.mean[1]!)))
    const inverse = (m: Matrix) => {
      const [a, b, c, d] = m.to1DArray() as [number, number, number, number]
      return a * d - b * c
    }
    const before = 1 / inverse(posterior.covariance)
    const precision = new Matrix([
      [posterior.covariance.get(1, 1) * before, -posterior.covariance.get(0, 1) * before],
      [-posterior.covariance.get(0, 1) * before, posterior.covariance.get(0, 0) * before],
    ])
    const after = inverse(
      precision.add(
        Matrix.columnVector(x)
          .mmul(Matrix.rowVector(x))
          .mul(p * (1 - p)),
      ),
    )
    expect(voteTells(posterior, x)).toBeCloseTo(Math.log(after / before) / 2, 10)
    expect(voteTells(posterior, [0, 0])).toBe(0)
    expect(voteTells(posterior, [0.7, -0.4])).toBeGreaterThan(voteTells(posterior, [0.1, 0]))
  })
})
