import { UserError } from '../graph/errors.ts'
import { type Estimate, type MeasureRow, meanOver, type Table } from '../runs/index.ts'

/** The row of a measure in an arm, where the table has it. */
export function armRow({ rows }: Table, arm: string, measure: string): MeasureRow | undefined {
  return rows.find(({ name, group }) => name === measure && group.arm === arm)
}

/**
 * The numbers of an arm, one a seed.
 *
 * throws  UserError when the table has no such row
 */
export function armValues(table: Table, arm: string, measure: string): readonly number[] {
  const row = armRow(table, arm, measure)
  if (row?.values) return row.values
  throw new UserError(`${table.about}: the arm ${arm} must have ${measure}, got no such row; run it again`)
}

/** Those of some arms that a table has. */
export function armsIn({ rows }: Table, arms: readonly string[]): string[] {
  const measured = new Set(rows.map(({ group }) => group.arm))
  return arms.filter((arm) => measured.has(arm))
}

/** A number made of the same seed's numbers of several arms, over all seeds: its mean with Student's 95 % interval. */
export function overSeeds(name: string, columns: readonly (readonly number[])[], of: (...row: number[]) => number, unit = ''): Estimate {
  return meanOver(
    name,
    columns[0]!.map((_, seed) => of(...columns.map((column) => column[seed]!))),
    unit,
  )
}

/** The slope of the straight line through points, by least squares. */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (i: 0 | 1) => points.reduce((sum, point) => sum + point[i], 0) / points.length
  const [x, y] = [mean(0), mean(1)]
  return points.reduce((sum, p) => sum + (p[0] - x) * (p[1] - y), 0) / points.reduce((sum, p) => sum + (p[0] - x) ** 2, 0)
}

/** The value that a share p of the numbers is at most, straight between neighbours. */
export function quantileOf(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const at = p * (sorted.length - 1)
  const [below, above] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!]
  return below + (at - Math.floor(at)) * (above - below)
}
