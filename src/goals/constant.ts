/** Whether numbers differ by no more than the rounding of their size: relative, so that a measure may have any unit. */
export function isConstant(values: readonly number[]): boolean {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of values) [least, most] = [Math.min(least, value), Math.max(most, value)]
  return most - least <= 1e-12 * Math.max(Math.abs(least), Math.abs(most))
}
