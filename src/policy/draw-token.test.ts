import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { random } from '../random/index.ts'
import { type Choice, drawToken } from './draw-token.ts'

const almostOne = 1 - 2 ** -53

describe('drawToken', () => {
  it.each<[string, number[], number, Choice, number]>([
    ['the first at 0', [0.5, 0.3, 0.2], 0, {}, 0],
    ['the first below its share', [0.5, 0.25, 0.25], 0.4999, {}, 0],
    ['what lies behind it from there on', [0.5, 0.25, 0.25], 0.5, {}, 2],
    ['the last near 1', [0.5, 0.3, 0.2], almostOne, {}, 2],
    ['nothing of probability 0 at 0', [0, 0, 1, 0], 0, {}, 2],
    ['nothing of probability 0 near 1', [0.5, 0.5, 0, 0], almostOne, {}, 1],
    ['by shares when they do not add up to 1', [1, 3], 0.26, {}, 1],
    ['the likeliest when greedy', [0.2, 0.5, 0.3], almostOne, { greedy: true }, 1],
    ['the smaller index of two likeliest', [0.2, 0.4, 0.4], 0, { greedy: true }, 1],
    ['the likeliest of one', [0.2, 0.5, 0.3], almostOne, { topK: 1 }, 1],
    ['the second of the two likeliest', [0.2, 0.5, 0.3], almostOne, { topK: 2 }, 2],
    ['the smaller index among ties at the edge of k', [0.1, 0.3, 0.3, 0.3], almostOne, { topK: 2 }, 2],
    ['from all when k is more than there are', [0.25, 0.75], 0.2, { topK: 9 }, 0],
    ['the likeliest when it is enough for p', [0.2, 0.5, 0.3], almostOne, { topP: 0.5 }, 1],
    ['from two when one is not enough for p', [0.2, 0.5, 0.3], almostOne, { topP: 0.51 }, 2],
    ['at least one, however small p is', [0.2, 0.5, 0.3], almostOne, { topP: 1e-9 }, 1],
    ['from all at p = 1', [0.2, 0.5, 0.3], almostOne, { topP: 1 }, 2],
    ['by p among the k likeliest, renormalised', [0.2, 0.4, 0.3, 0.1], almostOne, { topK: 2, topP: 0.57 }, 1],
    ['what has its share of the likeliest', [0.2, 0.5, 0.3], almostOne, { minP: 0.5 }, 2],
    ['nothing that has less', [0.2, 0.5, 0.3], almostOne, { minP: 0.61 }, 1],
    ['the likeliest when min-p is 1', [0.2, 0.5, 0.3], 0, { minP: 1 }, 1],
    ['from all at min-p 0', [0.2, 0.5, 0.3], 0, { minP: 0 }, 0],
    ['by min-p among the k likeliest', [0.2, 0.4, 0.3, 0.1], almostOne, { topK: 3, minP: 0.6 }, 2],
    ['by min-p among what p keeps', [0.2, 0.4, 0.3, 0.1], 0, { topP: 0.8, minP: 0.6 }, 1],
    ['from both of the k likeliest when p asks for both', [0.2, 0.4, 0.3, 0.1], almostOne, { topK: 2, topP: 0.58 }, 2],
  ])('takes %s', (_, probabilities, u, choice, index) => {
    expect(drawToken(Float32Array.from(probabilities), () => u, choice)).toBe(index)
  })

  it('takes of very many entries the one whose half, quarter, … the numbers fall into', () => {
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 700 }), fc.nat(), (size, seed) => {
        const { uniform } = random(seed, 'many')
        // Whole numbers, whose sums are exact in any order.
        const weights = Float32Array.from({ length: size }, (_, i) => Math.floor(8 * uniform(0, i)))
        const draw = (depth: number) => uniform(1, depth)
        let [from, to] = [0, size]
        for (let depth = 0; to - from > 1; depth++) {
          const middle = (from + to) >> 1
          const mass = (a: number, b: number) => weights.slice(a, b).reduce((total, w) => total + w, 0)
          if (draw(depth) * mass(from, to) < mass(from, middle)) to = middle
          else from = middle
        }
        expect(drawToken(weights, draw)).toBe(from)
      }),
      { numRuns: 50, seed: 5 },
    )
  })

  it('finds p even when it takes more than a few hundred tokens', () => {
    const even = new Float32Array(1000).fill(1 / 1000)
    expect(drawToken(even, () => almostOne, { topP: 0.5 })).toBe(499)
    expect(drawToken(even, () => almostOne, { topP: 0.9 })).toBe(899)
  })

  it('chooses each of the kept entries as often as its probability, renormalised, says', () => {
    const weights = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 12 }).filter((w) => w.some((x) => x > 0))
    // No sum of these weights is exactly p, and no quotient min-p, where rounding would decide.
    const choices = fc.record(
      {
        topK: fc.integer({ min: 1, max: 12 }),
        topP: fc.constantFrom(0.1003, 0.3711, 0.8017, 1),
        minP: fc.constantFrom(0, 0.0513, 0.3711, 1),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(weights, choices, fc.nat(), (given, choice, seed) => {
        const whole = given.reduce((a, b) => a + b)
        const wanted = kept(given, choice)
        const mass = wanted.reduce((total, i) => total + given[i]!, 0)
        const probabilities = Float32Array.from(given, (w) => w / whole)
        const n = 2000
        const counts = new Array<number>(given.length).fill(0)
        const { uniform } = random(seed, 'draws')
        for (let i = 0; i < n; i++) counts[drawToken(probabilities, (depth) => uniform(i, depth), choice)]!++
        counts.forEach((count, i) => {
          const p = wanted.includes(i) ? given[i]! / mass : 0
          expect(Math.abs(count - n * p)).toBeLessThanOrEqual(6 * Math.sqrt(n * p * (1 - p)))
        })
      }),
      { numRuns: 60 },
    )
  })
})

/** Which indices may be chosen, by sorting whole numbers. */
function kept(weights: readonly number[], { topK = Number.POSITIVE_INFINITY, topP = 1, minP = 0 }: Choice): number[] {
  const order = weights
    .map((_, i) => i)
    .sort((a, b) => weights[b]! - weights[a]! || a - b)
    .slice(0, topK)
  const mass = order.reduce((total, i) => total + weights[i]!, 0)
  let before = 0
  return order.filter((i) => {
    const needed = before === 0 || before < topP * mass
    before += weights[i]!
    return needed && weights[i]! >= minP * weights[order[0]!]!
  })
}
