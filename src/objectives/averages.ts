/** The weighted mean of some numbers; undefined where there is none to take it of, or all weigh 0. */
export function average(values: readonly number[], weights?: readonly number[]): number | undefined {
  const weigh = (i: number) => (weights ? weights[i]! : 1)
  const total = values.reduce((sum, _, i) => sum + weigh(i), 0)
  return total === 0 ? undefined : values.reduce((sum, value, i) => sum + weigh(i) * value, 0) / total
}

/** The numbers that are there. */
export function present(numbers: Readonly<Record<string, number | undefined>>): Record<string, number> {
  return Object.fromEntries(Object.entries(numbers).filter((entry): entry is [string, number] => entry[1] !== undefined))
}
