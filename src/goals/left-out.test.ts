import { describe, expect, it } from 'vitest'
import { normals, uniforms } from '../../test/normals.ts'
import { goals } from './index.ts'
import { predictLeftOut } from './left-out.ts'
import { sigmoid } from './likelihood.ts'
import { posteriorOf, predict } from './posterior.ts'
import { goalPrior } from './prior.ts'
import type { VotedPair } from './voted-pair.ts'

const prior = goalPrior({ goals: [goals.kind, goals.complete, goals.fluent], strength: 5 })

function voted(pairs: number, seed: number): VotedPair[] {
  const [normal, uniform] = [normals(seed), uniforms(seed + 1)]
  return Array.from({ length: pairs }, () => {
    const x = [normal(), normal(), normal()]
    const forA = [1, 2, 3].filter(() => uniform() < sigmoid(0.8 * x[0]! - 0.4 * x[1]!)).length
    return { x, votes: [forA, 3 - forA] }
  })
}

describe('what all other votes predict', () => {
  it.each([
    [12, 4],
    [60, 5],
    [200, 6],
  ])('is the prediction of the posterior without the pair: %d pairs', (count, seed) => {
    const pairs = voted(count, seed)
    const fast = predictLeftOut(prior, pairs, posteriorOf(prior, pairs))
    pairs.forEach((pair, i) => {
      const exact = predict(posteriorOf(prior, pairs.toSpliced(i, 1)), pair.x)
      // One Newton step where the leverage is under a tenth; the largest distance seen over these pairs is 0.0015.
      expect(Math.abs(fast[i]! - exact)).toBeLessThan(0.003)
    })
  })

  it('does not move with the votes on the pair itself, however many they are', () => {
    const pairs = voted(30, 7)
    for (const votes of [
      [1, 0],
      [0, 1],
      [1e6, 0],
      [0, 0],
    ] as const) {
      const changed = pairs.with(0, { ...pairs[0]!, votes })
      const before = predict(posteriorOf(prior, pairs.slice(1)), pairs[0]!.x)
      expect(Math.abs(predictLeftOut(prior, changed, posteriorOf(prior, changed))[0]! - before)).toBeLessThan(0.003)
    }
  })

  it('counted twice, a pair’s vote pulls its own prediction (control)', () => {
    const pairs = voted(12, 8)
    const whole = posteriorOf(prior, pairs)
    const others = predictLeftOut(prior, pairs, whole)
    const pulled = pairs.flatMap(({ x, votes: [a, b] }, i) => (a * b > 0 ? [] : [(predict(whole, x) - others[i]!) * Math.sign(a - b)]))
    expect(pulled.length).toBeGreaterThan(3)
    expect(Math.min(...pulled)).toBeGreaterThan(0)
    expect(Math.max(...pulled)).toBeGreaterThan(0.03)
  })
})
