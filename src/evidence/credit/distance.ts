import type { Stream } from '../stream.ts'

/** Ways to learn, by what each evaluation tells. */
export const ways = ['backpropagation', 'evolution strategy', 'REINFORCE', 'selection on one bit'] as const
export type Way = (typeof ways)[number]

/** What one gradient costs, in evaluations of the loss: a pass forward and one back, which is worth two. */
export const gradientCost = 3

/**
 * Evaluations that a way needs until the loss of a linear network is a hundredth of what it was. Its inputs are white, so the loss is the
 * squared distance of the weights from the teacher's, and by symmetry a step depends on that distance and on two numbers of each random
 * direction alone: its part along the error, and the square of the rest. So one evaluation costs the same whatever the number of weights,
 * and has the same law as with all weights written out.
 *
 * source  Rechenberg 1973 and Beyer 2001 for the steps on a sphere; Williams 1992 for REINFORCE
 */
export function evaluationsByDistance(way: Way, count: number, rng: Stream, most = 1e8): number {
  let square = 1
  let [evaluations, baseline] = [0, Number.NaN]
  while (square > 0.01 && evaluations < most) {
    const r = Math.sqrt(square)
    if (way === 'backpropagation') {
      square *= 0.25 // a step of half the way
      evaluations += gradientCost
      continue
    }
    const z = rng.normal()
    const length = z * z + chiSquare(count - 1, rng)
    if (way === 'evolution strategy') {
      // Of an antithetic pair the difference is 2σ·(e·ε), whatever σ.
      const step = (r * z) / (count + 2)
      square += -2 * step * r * z + step * step * length
      evaluations += 2
    } else if (way === 'REINFORCE') {
      const sigma = r / Math.sqrt(count)
      const loss = 0.5 * (square + 2 * sigma * r * z + sigma * sigma * length)
      const advantage = Number.isNaN(baseline) ? 0 : loss - baseline
      baseline = Number.isNaN(baseline) ? loss : baseline + (loss - baseline) / Math.min(count + 1, 20)
      const step = advantage / sigma / (3 * count)
      square += -2 * step * r * z + step * step * length
      evaluations += 1
    } else {
      const sigma = (1.2 * r) / count
      const next = square + 2 * sigma * r * z + sigma * sigma * length
      if (next < square) square = next
      evaluations += 1
    }
  }
  return evaluations
}

/** The square of the length of a standard normal vector in so many dimensions. */
function chiSquare(freedom: number, rng: Stream): number {
  if (freedom > 100) {
    const c = 2 / (9 * freedom)
    return freedom * (1 - c + rng.normal() * Math.sqrt(c)) ** 3 // Wilson and Hilferty 1931
  }
  let sum = 0
  for (let i = 0; i < freedom; i++) sum += rng.normal() ** 2
  return sum
}
