import { UserError } from '../graph/errors.ts'
import type { Estimate } from '../runs/schema.ts'
import { meanInterval } from './mean-interval.ts'

/**
 * The correlation of two measures over all completions, less what a third has of both: that of what is left of each after a straight line in the third.
 * The interval is the jackknife's of Fisher's z, with one prompt left out, as that of `correlation`.
 *
 * limits  0 with an interval of [−1, 1] where a measure never changes, or is a straight line of the third
 * source  Fisher 1924, The distribution of the partial correlation coefficient
 */
export function partialCorrelation(
  name: string,
  a: readonly (readonly number[])[],
  b: readonly (readonly number[])[],
  given?: readonly (readonly number[])[],
): Estimate {
  const n = a.length
  if (b.length !== n || (given && given.length !== n))
    throw new UserError(`${name}: all sides must have the same prompts, got ${n}, ${b.length} and ${given?.length ?? n}`)
  const sides = [a, b, given ?? a.map((group) => group.map(() => 0))]
  const means = sides.map((side) => mean(side.flat()))
  const prompts = a.map((group, i) => momentsOf(group.map((_, k) => sides.map((side, s) => side[i]![k]! - means[s]!))))
  const total = prompts.reduce((all, one) => added(all, one, 1))
  const estimate = partial(total)
  if (estimate === undefined) return { estimate: 0, low: -1, high: 1, n, unit: 'correlation' }
  const z = fisher(estimate)
  const pseudo = prompts.map((one) => n * z - (n - 1) * fisher(partial(added(total, one, -1)) ?? 0))
  const { low, high, ...rest } = meanInterval(name, pseudo, 'correlation')
  return { ...rest, estimate, low: Math.min(estimate, Math.tanh(low)), high: Math.max(estimate, Math.tanh(high)) }
}

/** Σ uᵢuⱼ of points (1, x, y, z), row by row. */
type Moments = readonly number[]

function momentsOf(points: readonly (readonly number[])[]): Moments {
  const sums = new Array<number>(16).fill(0)
  for (const point of points) {
    const u = [1, ...point]
    for (let i = 0; i < 4; i++) for (let j = 0; j < 4; j++) sums[4 * i + j]! += u[i]! * u[j]!
  }
  return sums
}

function added(a: Moments, b: Moments, by: 1 | -1): Moments {
  return a.map((x, i) => x + by * b[i]!)
}

/** Undefined where nothing is left to correlate. */
function partial(sums: Moments): number | undefined {
  const n = sums[0]!
  const between = (i: number, j: number) => sums[4 * i + j]! - (sums[i]! * sums[j]!) / n
  const [x, y, z] = [between(1, 1), between(2, 2), between(3, 3)]
  const line = z > 1e-12 * sums[15]! ? z : undefined
  const less = (i: number, j: number) => between(i, j) - (line ? (between(i, 3) * between(j, 3)) / line : 0)
  const [restX, restY] = [less(1, 1), less(2, 2)]
  // What is left of a constant, or of a line, after the subtraction is rounding.
  if (!(restX > 1e-9 * x) || !(restY > 1e-9 * y)) return undefined
  return Math.min(1, Math.max(-1, less(1, 2) / Math.sqrt(restX * restY)))
}

/** artanh r, finite at ±1 too. */
function fisher(r: number): number {
  return Math.atanh(Math.min(1 - 1e-12, Math.max(-1 + 1e-12, r)))
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length
}
