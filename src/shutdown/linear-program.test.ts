import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { linearProgram } from './linear-program.ts'

const big = (rows: readonly (readonly number[])[]) => rows.map((row) => row.map(BigInt))

describe('linearProgram', () => {
  it('is exact where doubles are not', () => {
    // max x with 3x + s = 1, so 1/3; then y with 10^20 y + t = 1
    const program = linearProgram(
      [
        [3n, 0n, 1n, 0n],
        [0n, 10n ** 20n, 0n, 1n],
      ],
      [1n, 1n],
    )!
    expect(program.maximise([1n, 0n, 0n, 0n])!.value.toFraction()).toBe('1/3')
    expect(program.maximise([0n, 1n, 0n, 0n])!.value.toFraction()).toBe(`1/${10n ** 20n}`)
  })

  it('knows what has no solution, what has no bound, and rows that say nothing new', () => {
    expect(
      linearProgram(
        big([
          [1, 1],
          [1, 1],
        ]),
        [1n, 2n],
      ),
    ).toBeUndefined()
    expect(linearProgram(big([[1, -1]]), [0n])!.maximise([1n, 0n])).toBeUndefined()
    expect(
      linearProgram(
        big([
          [1, 1],
          [2, 2],
        ]),
        [1n, 2n],
      )!
        .maximise([1n, 3n])!
        .value.toFraction(),
    ).toBe('3')
  })

  it('what it finds satisfies the equations, and no vertex is better', () => {
    const entry = fc.integer({ min: -3, max: 4 })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(entry, entry, entry), { minLength: 1, maxLength: 2 }),
        fc.tuple(entry, entry, entry),
        fc.array(fc.nat(5), { minLength: 3, maxLength: 3 }),
        (left, c, b) => {
          // x + y + z + s = b keeps everything bounded.
          const rows = [...left.map((row) => [...row, 0]), [1, 1, 1, 1]]
          const right = rows.map((_, i) => (i === rows.length - 1 ? b[2]! + 1 : b[i]!))
          const best = linearProgram(big(rows), right.map(BigInt))?.maximise([...c, 0].map(BigInt))
          const vertices = subsets(4, rows.length).flatMap((basis) =>
            solve(
              rows.map((row) => basis.map((j) => row[j]!)),
              right,
              basis,
            ),
          )
          const values = vertices.map((x) => c.reduce((sum, w, j) => sum + w * x[j]!, 0))
          if (best === undefined) {
            expect(values).toEqual([])
            return
          }
          for (const [i, row] of rows.entries())
            expect(row.reduce((sum, a, j) => sum.add(best.at[j]!.mul(a)), best.value.mul(0)).equals(right[i]!)).toBe(true)
          for (const x of best.at) expect(x.compare(0)).toBeGreaterThanOrEqual(0)
          // Where rows depend on each other no basis is whole, and there is nothing to compare with.
          if (values.length > 0) expect(best.value.valueOf()).toBeCloseTo(Math.max(...values), 9)
        },
      ),
      { numRuns: 300 },
    )
  })
})

function subsets(n: number, k: number, from = 0): number[][] {
  if (k === 0) return [[]]
  return Array.from({ length: n - from }, (_, i) => from + i).flatMap((j) => subsets(n, k - 1, j + 1).map((rest) => [j, ...rest]))
}

/** The point whose unknowns outside the basis are zero, by Cramer's rule; none where it is not unique or has a negative entry. */
function solve(square: number[][], right: readonly number[], basis: readonly number[]): number[][] {
  const whole = determinant(square)
  if (whole === 0) return []
  const x = [0, 0, 0, 0]
  for (const [i, j] of basis.entries()) x[j] = determinant(square.map((row, r) => row.with(i, right[r]!))) / whole
  return x.every((value) => value >= -1e-12) ? [x] : []
}

function determinant(m: readonly (readonly number[])[]): number {
  if (m.length === 1) return m[0]![0]!
  return m[0]!.reduce((sum, a, j) => sum + (j % 2 ? -a : a) * determinant(m.slice(1).map((row) => row.filter((_, k) => k !== j))), 0)
}
