import { describe, expect, it } from 'vitest'
import { agreement } from './agreement.ts'

/** Items of a table of counts: what one said is the row, what the other said the column. */
const items = (table: readonly (readonly number[])[]) =>
  table.flatMap((row, i) => row.flatMap((count, k) => Array.from({ length: count }, () => ({ one: `${i}`, other: `${k}` }))))

/** κ of a table of shares, to be differentiated. */
function kappaOf(p: readonly (readonly number[])[]): number {
  const rows = p.map((row) => row.reduce((a, b) => a + b, 0))
  const columns = p.map((_, k) => p.reduce((sum, row) => sum + row[k]!, 0))
  const chance = rows.reduce((sum, r, i) => sum + r * columns[i]!, 0)
  return (p.reduce((sum, row, i) => sum + row[i]!, 0) - chance) / (1 - chance)
}

/** The delta method by central differences: the deviation of κ where cells are multinomial. */
function deviation(table: readonly (readonly number[])[]): number {
  const n = table.flat().reduce((a, b) => a + b, 0)
  const p = table.map((row) => row.map((count) => count / n))
  const h = 1e-6
  const slopes = p.map((row, i) =>
    row.map((_, k) => {
      const moved = (by: number) => kappaOf(p.map((r, ii) => r.map((x, kk) => (ii === i && kk === k ? x + by : x))))
      return (moved(h) - moved(-h)) / (2 * h)
    }),
  )
  const mean = p.flatMap((row, i) => row.map((x, k) => x * slopes[i]![k]!)).reduce((a, b) => a + b, 0)
  const square = p.flatMap((row, i) => row.map((x, k) => x * slopes[i]![k]! ** 2)).reduce((a, b) => a + b, 0)
  return Math.sqrt((square - mean ** 2) / n)
}

describe('agreement', () => {
  const known = [
    [75, 1, 4],
    [5, 4, 1],
    [0, 0, 10],
  ]

  it('is that of the table that books print: κ 0.6765, deviation 0.0877', () => {
    const { share, kappa } = agreement(items(known))
    expect(share).toMatchObject({ estimate: 0.89, n: 100 })
    expect(kappa.estimate).toBeCloseTo(0.6765, 4)
    expect(deviation(known)).toBeCloseTo(0.0877, 4)
    expect(kappa.low).toBeLessThanOrEqual(0.6765 - 1.9599 * 0.0877 + 1e-3)
    expect(kappa.high).toBeGreaterThanOrEqual(0.6765 + 1.9599 * 0.0877 - 1e-3)
  })

  it.each([
    [
      [
        [30, 20],
        [10, 40],
      ],
    ],
    [
      [
        [60, 3, 0],
        [9, 30, 11],
        [2, 8, 70],
      ],
    ],
    [
      [
        [500, 400],
        [300, 450],
      ],
    ],
  ])('has the closed form of what differences give: %j', (table) => {
    const { kappa } = agreement(items(table))
    const n = table.flat().reduce((a, b) => a + b, 0)
    expect(kappa.estimate).toBeCloseTo(kappaOf(table.map((row) => row.map((count) => count / n))), 10)
    expect(kappa.high - kappa.estimate).toBeGreaterThanOrEqual(1.95 * deviation(table))
    expect(kappa.estimate - kappa.low).toBeLessThanOrEqual(2.6 * deviation(table))
  })

  it('counts prompts, not the pairs of one', () => {
    const pairs = items(known).map((item, i) => ({ ...item, unit: `${Math.floor(i / 4)}` }))
    const [many, few] = [agreement(items(known)), agreement(pairs)]
    expect(few.kappa.n).toBe(25)
    expect(few.kappa.estimate).toBe(many.kappa.estimate)
    expect(few.kappa.high - few.kappa.low).toBeGreaterThan(many.kappa.high - many.kappa.low)
  })

  it('does not vanish where both always agree, and says where it cannot tell', () => {
    const { share, kappa } = agreement(
      items([
        [12, 0],
        [0, 12],
      ]),
    )
    expect(kappa).toMatchObject({ estimate: 1, high: 1, n: 24 })
    expect(kappa.low).toBeCloseTo(2 * share.low - 1, 10)
    expect(kappa.low).toBeLessThan(0.75)
    expect(
      agreement(
        items([
          [3, 0],
          [0, 3],
        ]),
      ).kappa.cannotTell,
    ).toMatch(/6 prompts are too few/)
    expect(agreement(items([[30]])).kappa.cannotTell).toMatch(/one and the same thing/)
    expect(() => agreement([{ one: 'a', other: 'a' }])).toThrow(/at least 2 prompts in common, got 1/)
  })
})
