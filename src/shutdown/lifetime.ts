import { expectedSum, type Lottery } from './lottery.ts'
import { type Rational, rational, total } from './rational.ts'

/** The expected length. */
export function meanLength({ of }: Lottery): Rational {
  return total([...of].map(([{ length }, weight]) => weight.mul(rational(length))))
}

/**
 * Weak preference of the committee of all V = u + k·length, one member for each real k, u the sum of utilities. It is decided for the whole
 * family: E[u] + k·E[length] is at least as large for every k only where the mean lengths are equal and E[u] is at least as large.
 *
 * source  machine-checked in Lean 4, commit 0e4bb74c, 2026
 */
export function lifetimeWeakly(x: Lottery, y: Lottery): boolean {
  return meanLength(x).equals(meanLength(y)) && expectedSum(x).compare(expectedSum(y)) >= 0
}
