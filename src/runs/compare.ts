import { studentQuantile } from '../goals/special-functions.ts'
import { UserError } from '../graph/errors.ts'
import type { Estimate } from './schema.ts'
import type { MeasureRow, Table } from './table.ts'

// This stands here and not with the intervals of acceptance: an experiment has few independent units (seeds), where a closed form holds
// and resampling is too narrow; and it needs no more than a special function, which comes before this folder.

/**
 * The mean of independent numbers, one a seed, with Student's 95 % interval.
 *
 * throws  UserError with fewer than two numbers
 * limits  exact for normal numbers; below some 15 of them a strong skew makes it too narrow on one side
 * source  Student 1908, The probable error of a mean
 */
export function meanOver(name: string, values: readonly number[], unit = ''): Estimate {
  if (values.length < 2)
    throw new UserError(`${name}: an interval needs at least 2 independent numbers, got ${values.length}; take more seeds`)
  const { mean, variance } = moments(values)
  return around(mean, Math.sqrt(variance / values.length), values.length - 1, values.length, unit)
}

/**
 * The rows of one table minus those of another: by how much they differ, each difference with its 95 % interval. Rows are matched by
 * name and by the groups that both tables share; a group that has one entry in each, such as the arm, becomes `a − b`.
 *
 * `paired` takes the values in order, as of the same seeds, and what a seed does to both cancels; otherwise they are independent.
 *
 * throws  UserError when a row has no partner or no values, or paired ones differ in number
 * limits  as `meanOver`
 * source  Student 1908 for paired values; Welch 1947, with Satterthwaite's degrees of freedom, for independent ones
 */
export function compare(a: Table, b: Table, { paired }: { paired: boolean }): Table {
  const contrast = keysOf(a).filter((key) => single(a, key) && single(b, key))
  const match = (row: MeasureRow) =>
    JSON.stringify([
      row.name,
      ...Object.entries(row.group)
        .filter(([key]) => !contrast.includes(key))
        .toSorted(byKey),
    ])
  const partners = new Map(b.rows.map((row) => [match(row), row]))
  const rows = a.rows.map((row): MeasureRow => {
    const other = partners.get(match(row))
    if (!other) throw new UserError(`compare: every row must have a partner, got none for ${match(row)}; measure the same in both`)
    const group = Object.fromEntries(
      Object.entries(row.group).map(([key, x]) => [
        key,
        contrast.includes(key) && x !== other.group[key] ? `${x} − ${other.group[key]}` : x,
      ]),
    )
    return { name: row.name, group, ...(paired ? pairwise(row, other) : welch(row, other)) }
  })
  return { about: `${a.about}, less ${b.about}`, rows }
}

function pairwise(a: MeasureRow, b: MeasureRow): Estimate & { values: readonly number[] } {
  const [left, right] = [valuesOf(a), valuesOf(b)]
  if (left.length !== right.length)
    throw new UserError(`compare ${a.name}: paired rows must have the same seeds, got ${left.length} and ${right.length} values`)
  const values = left.map((x, i) => x - right[i]!)
  return { ...meanOver(a.name, values, a.unit), values }
}

function welch(a: MeasureRow, b: MeasureRow): Estimate {
  const [left, right] = [valuesOf(a), valuesOf(b)].map((values) => ({ ...moments(values), n: values.length })) as [Sample, Sample]
  const [u, v] = [left.variance / left.n, right.variance / right.n]
  const freedom = u + v === 0 ? 1 : (u + v) ** 2 / (u ** 2 / (left.n - 1) + v ** 2 / (right.n - 1))
  return around(left.mean - right.mean, Math.sqrt(u + v), freedom, Math.min(left.n, right.n), a.unit)
}

interface Sample {
  readonly mean: number
  readonly variance: number
  readonly n: number
}

function around(mean: number, error: number, freedom: number, n: number, unit: string): Estimate {
  const reach = error === 0 ? 0 : studentQuantile(0.975, freedom) * error
  return { estimate: mean, low: mean - reach, high: mean + reach, n, unit }
}

function moments(values: readonly number[]): { mean: number; variance: number } {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  return { mean, variance: values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (values.length - 1) }
}

function valuesOf({ name, values = [] }: MeasureRow): readonly number[] {
  if (values.length < 2) throw new UserError(`compare ${name}: a row must have at least 2 values, got ${values.length}; take more seeds`)
  return values
}

function keysOf(table: Table): string[] {
  return [...new Set(table.rows.flatMap((row) => Object.keys(row.group)))]
}

function single({ rows }: Table, key: string): boolean {
  return new Set(rows.map((row) => row.group[key])).size === 1
}

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => (a < b ? -1 : 1)
