import { expect } from 'vitest'
import type { Tolerance } from './tolerances.ts'

type Numbers = ArrayLike<number> | { readonly shape: readonly number[]; readonly data: ArrayLike<number> }

/**
 * Fails unless every entry is close to the one wanted; says where the worst one is, both numbers, and how many entries fail.
 * Tensors must have one shape as well. NaN is close to nothing.
 */
export function expectClose(got: Numbers, want: Numbers, tolerance: Tolerance, name = 'values'): void {
  expect(shapeOf(got), `${name}: shape`).toEqual(shapeOf(want))
  const message = difference(dataOf(got), dataOf(want), shapeOf(want), tolerance)
  if (message) expect.fail(`${name}: ${message}`)
}

/** What `expectClose` fails with; undefined when all is close. */
export function difference(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  shape: readonly number[],
  { absolute, relative, why }: Tolerance,
): string | undefined {
  let failing = 0
  let worst = 0
  let worstAt = 0
  for (let i = 0; i < want.length; i++) {
    if (got[i] === want[i]) continue
    const excess = Math.abs(got[i]! - want[i]!) / (absolute + relative * Math.abs(want[i]!))
    if (excess <= 1) continue
    failing++
    if (excess > worst || Number.isNaN(excess)) [worst, worstAt] = [Number.isNaN(excess) ? Infinity : excess, i]
  }
  if (failing === 0) return undefined
  const allowed = [absolute && String(absolute), relative && `${relative} · |wanted|`].filter(Boolean).join(' + ') || '0'
  const [a, b] = [got[worstAt]!, want[worstAt]!]
  return (
    `${failing} of ${want.length} entries differ by more than ${allowed} (${why}); ` +
    `worst at [${position(worstAt, shape)}]: got ${a}, wanted ${b}, difference ${Math.abs(a - b)}`
  )
}

function dataOf(x: Numbers): ArrayLike<number> {
  return 'data' in x ? x.data : x
}

function shapeOf(x: Numbers): readonly number[] {
  return 'data' in x ? x.shape : [x.length]
}

function position(flat: number, shape: readonly number[]): string {
  const at: number[] = []
  let rest = flat
  for (const n of shape.toReversed()) {
    at.unshift(rest % n)
    rest = Math.floor(rest / n)
  }
  return at.join(', ')
}
