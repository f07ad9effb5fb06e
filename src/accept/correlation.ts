import { isConstant } from '../goals/constant.ts'
import { UserError } from '../graph/errors.ts'
import type { Estimate } from '../runs/schema.ts'
import { meanInterval } from './mean-interval.ts'

/**
 * Pearson's correlation of two measures over all completions; what is independent are prompts. The interval is that of a mean
 * (mean-interval.ts) of the jackknife's pseudo-values of Fisher's z = artanh r, each with one prompt left out.
 * A judge, a goal and a gold measure are three different things, and this says how far they go together.
 *
 * limits  0 with an interval of [−1, 1] when a measure never changes: nothing can be said
 * source  Fisher 1915; Miller 1974, The jackknife: a review
 */
export function correlation(name: string, a: readonly (readonly number[])[], b: readonly (readonly number[])[]): Estimate {
  if (a.length !== b.length) throw new UserError(`${name}: both sides must have the same prompts, got ${a.length} and ${b.length}`)
  const n = a.length
  const [flatA, flatB] = [a.flat(), b.flat()]
  if (isConstant(flatA) || isConstant(flatB)) return { estimate: 0, low: -1, high: 1, n, unit: 'correlation' }
  const [centreA, centreB] = [mean(flatA), mean(flatB)]
  const prompts = a.map((values, i) => momentsOf(values.map((x, j) => [x - centreA, b[i]![j]! - centreB])))
  const total = prompts.reduce((all, one) => added(all, one))
  const estimate = pearson(total)
  const z = fisher(estimate)
  const pseudo = prompts.map((one) => n * z - (n - 1) * fisher(pearson(added(total, one, -1))))
  const { low, high, ...rest } = meanInterval(name, pseudo, 'correlation')
  return { ...rest, estimate, low: Math.min(estimate, Math.tanh(low)), high: Math.max(estimate, Math.tanh(high)) }
}

/**
 * The ranks of all completions, ties sharing their middle one, in the same shape: the correlation of two measures' ranks is Spearman's.
 *
 * source  Spearman 1904
 */
export function ranks(values: readonly (readonly number[])[]): number[][] {
  const sorted = values.flat().sort((x, y) => x - y)
  const rank = new Map<number, number>()
  for (let from = 0; from < sorted.length; ) {
    let to = from
    while (sorted[to] === sorted[from]) to++
    rank.set(sorted[from]!, (from + to - 1) / 2)
    from = to
  }
  return values.map((group) => group.map((x) => rank.get(x)!))
}

/** n, Σx, Σy, Σx², Σy² and Σxy of points. */
type Moments = readonly [n: number, x: number, y: number, xx: number, yy: number, xy: number]

function momentsOf(points: readonly (readonly [number, number])[]): Moments {
  return points.map(([x, y]): Moments => [1, x, y, x * x, y * y, x * y]).reduce((all, one) => added(all, one), [0, 0, 0, 0, 0, 0])
}

function added(a: Moments, b: Moments, by: 1 | -1 = 1): Moments {
  return [a[0] + by * b[0], a[1] + by * b[1], a[2] + by * b[2], a[3] + by * b[3], a[4] + by * b[4], a[5] + by * b[5]]
}

/** 0 where the points do not vary. */
function pearson([n, x, y, xx, yy, xy]: Moments): number {
  const [spreadX, spreadY] = [n * xx - x * x, n * yy - y * y]
  // What is left of a constant after the subtraction is rounding.
  if (spreadX <= 1e-12 * n * xx || spreadY <= 1e-12 * n * yy) return 0
  return Math.min(1, Math.max(-1, (n * xy - x * y) / Math.sqrt(spreadX * spreadY)))
}

/** artanh r, finite at ±1 too. */
function fisher(r: number): number {
  return Math.atanh(Math.min(1 - 1e-12, Math.max(-1 + 1e-12, r)))
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length
}
