import { isConstant } from '../goals/constant.ts'
import { studentQuantile } from '../goals/special-functions.ts'
import { UserError } from '../graph/errors.ts'
import type { Estimate } from '../runs/schema.ts'
import { boundedMean } from './bounded-mean.ts'

/** What lies beyond each end of an interval: 2.5 %. */
export const tail = 0.025

/** Below so many numbers an interval for a measure without a range says that it cannot tell. */
export const fewest = 20

/** Nor can it tell where one number has more than this share of the sum of squared distances from the mean. */
export const largestShare = 0.28

/**
 * The mean of independent numbers, one a prompt or text, with its 95 % interval, or one of another risk on each side. This is the one rule for
 * every measure.
 *
 * **With a range** (a share, or a goal that declares its `range`): the exact bound of bounded-mean.ts, which holds for any law in the range.
 *
 * **Without one** no interval from data alone holds for every law (Bahadur and Savage 1956): what was never seen may be arbitrarily large. So
 * the interval is the hull of two: Student's t, which holds for symmetric laws, heavy tails included, and Hall's transformation of t, which
 * takes out the skew. Each errs where the other does not: t on the side of the long tail of a skewed law, Hall where few values make the
 * skew seem larger than it is. On normal numbers the hull is 1 to 3 % wider than t. It is a closed form, so it needs no seed.
 *
 * **A guard says *cannot tell*** where the two do not hold: below 20 numbers; where all are equal, so that nothing is known of how they vary;
 * and where one number has over 28 % of the sum of squared distances from the mean, because t is near normal only where that share is small
 * (Giné, Götze and Mason 1997). The 28 % come from a pilot with seeds of its own, 20 000 samples a law: with them log-normal σ 1.5 and Pareto 2.5
 * stay under 2.4 % of false acceptances at 24 to 96 prompts and 10 rounds (30 %: 2.6 %), and 15 of 100 normal samples of 24 are turned away,
 * 1 of 44, none of 76. What no guard can see is a rare large value that did not occur. docs/risk.md has the figures.
 *
 * throws  UserError with fewer than two numbers, with one that is not finite, or one outside the range
 * source  Student 1908; Hall 1992, On the removal of skewness by transformation; the sources of bounded-mean.ts
 */
export function meanInterval(
  name: string,
  values: readonly number[],
  unit: string,
  range?: readonly [number, number],
  risk: number = tail,
): Estimate {
  const n = values.length
  if (n < 2) throw new UserError(`${name}: an interval needs at least 2 prompts, got ${n}; give more held-out prompts`)
  // What lies beyond the range by rounding alone is moved to its end.
  const slack = range ? 1e-9 * (range[1] - range[0]) : 0
  const wrong = values.find((x) => !Number.isFinite(x) || (range && (x < range[0] - slack || x > range[1] + slack)))
  if (wrong !== undefined)
    throw new UserError(
      `${name}: every measured number must be ${range ? `in ${range[0]} … ${range[1]}` : 'finite'}, got ${wrong}; mend what measures it`,
    )
  const estimate = values.reduce((sum, x) => sum + x, 0) / n
  if (range) {
    const inside = values.map((x) => Math.min(range[1], Math.max(range[0], x)))
    const [low, high] = boundedMean(inside, range, risk)
    return { estimate, low: Math.min(low, estimate), high: Math.max(high, estimate), n, unit }
  }
  const { deviation, skew, share, constant } = spreadOf(values, estimate)
  const student = studentQuantile(1 - risk, n - 1) / Math.sqrt(n)
  const low = estimate - deviation * Math.max(student, withoutSkew(student, skew, n))
  const high = estimate + deviation * Math.max(student, -withoutSkew(-student, skew, n))
  const why = untold(n, constant, share)
  return { estimate, low, high, n, unit, ...(why ? { cannotTell: why } : {}) }
}

/** Standard deviation, third standardised moment, and the largest share that one number has of the squared distances. */
function spreadOf(values: readonly number[], mean: number) {
  let [square, cube, largest] = [0, 0, 0]
  const constant = isConstant(values)
  for (const x of constant ? [] : values) {
    const distance = (x - mean) ** 2
    square += distance
    cube += distance * (x - mean)
    largest = Math.max(largest, distance)
  }
  const n = values.length
  const skew = square > 0 ? cube / n / (square / n) ** 1.5 : 0
  return { deviation: Math.sqrt(square / (n - 1)), skew, share: square > 0 ? largest / square : 0, constant }
}

/**
 * The w at which Hall's monotone cubic, w + γw²/3 + γ²w³/27 + γ/(6n), is z: standardised means of skew γ put at w are normal at z.
 */
function withoutSkew(z: number, skew: number, n: number): number {
  if (Math.abs(skew) < 1e-8) return z
  return (3 / skew) * (Math.cbrt(1 + skew * (z - skew / (6 * n))) - 1)
}

function untold(n: number, constant: boolean, share: number): string | undefined {
  if (n < fewest) return `${n} are too few for a measure without a declared range: ${fewest} or more are needed`
  if (constant) return `all ${n} have the same value, so nothing is known of how far others may lie`
  if (share > largestShare)
    return `one of ${n} alone has ${Math.round(100 * share)} % of the squared distances from the mean, and over ${Math.round(100 * largestShare)} % no interval holds`
  return undefined
}
