import { Fraction } from 'fraction.js'
import type { Effort } from './effort.ts'
import { type Rational, zero } from './rational.ts'

/** Where a linear program is largest. */
export interface Optimum {
  readonly value: Rational
  readonly at: readonly Rational[]
}

/** What satisfies A·x = b, x ≥ 0. */
export interface LinearProgram {
  /** The largest c·x, exactly; undefined where it has no bound, or the effort is spent. */
  maximise(c: readonly bigint[]): Optimum | undefined
}

/**
 * Opens the linear program A·x = b, x ≥ 0, in exact arithmetic: the simplex method on whole numbers, with Bland's rule, which never goes round
 * in circles. Rows of A and b are whole numbers; b is at least 0. Undefined where nothing satisfies the equations, or the effort is spent.
 *
 * source  Bland 1977; whole numbers stay whole as in Edmonds 1967
 */
export function linearProgram(
  a: readonly (readonly bigint[])[],
  b: readonly bigint[],
  effort: Effort = { left: Number.POSITIVE_INFINITY },
): LinearProgram | undefined {
  const [n, m] = [a[0]!.length, a.length]
  // Columns: the unknowns, one artificial unknown a row, the right-hand side. All stand over the common denominator `scale`.
  const rows = a.map((row, i) => [...row, ...a.map((_, j) => (i === j ? 1n : 0n)), b[i]!])
  const cost = Array.from({ length: n + m + 1 }, (_, j) => (j >= n && j < n + m ? 0n : -rows.reduce((sum, row) => sum + row[j]!, 0n)))
  const tableau: Tableau = { rows, cost, basis: rows.map((_, i) => n + i), scale: 1n, effort }
  if (!climb(tableau, n) || tableau.cost.at(-1) !== 0n) return undefined
  leaveArtificial(tableau, n)
  tableau.rows = tableau.rows.map((row) => [...row.slice(0, n), row.at(-1)!])
  return { maximise: (c) => maximise(tableau, c) }
}

/** Goes on from wherever the tableau stands, which satisfies the equations. */
function maximise(tableau: Tableau, c: readonly bigint[]): Optimum | undefined {
  const n = c.length
  // The cost row over the same denominator, with what the basis uses taken out.
  tableau.cost = Array.from({ length: n + 1 }, (_, j) => {
    const priced = tableau.rows.reduce((sum, row, i) => sum + c[tableau.basis[i]!]! * row[j]!, 0n)
    return priced - (j < n ? c[j]! * tableau.scale : 0n)
  })
  if (!climb(tableau, n)) return undefined
  const at = Array.from({ length: n }, () => zero)
  for (const [i, j] of tableau.basis.entries()) at[j] = new Fraction(tableau.rows[i]!.at(-1)!, tableau.scale)
  return { value: new Fraction(tableau.cost.at(-1)!, tableau.scale), at }
}

interface Tableau {
  rows: bigint[][]
  /** What a unit of each unknown costs; below zero means that more of it is better. */
  cost: bigint[]
  basis: number[]
  scale: bigint
  readonly effort: Effort
}

/** Pivots until no unknown among the first n makes it better; false where there is no bound, or the effort is spent. */
function climb(tableau: Tableau, n: number): boolean {
  for (;;) {
    const enter = tableau.cost.findIndex((cost, j) => j < n && cost < 0n)
    if (enter < 0) return true
    let leave = -1
    for (const [i, row] of tableau.rows.entries()) {
      if (row[enter]! <= 0n) continue
      const best = tableau.rows[leave]
      const order = best ? row.at(-1)! * best[enter]! - best.at(-1)! * row[enter]! : -1n
      if (order < 0n || (order === 0n && tableau.basis[i]! < tableau.basis[leave]!)) leave = i
    }
    if (leave < 0 || tableau.effort.left < 0) return false
    pivot(tableau, leave, enter)
  }
}

/** Takes artificial unknowns, all zero by now, out of the basis; a row in which nothing else stands says nothing. */
function leaveArtificial(tableau: Tableau, n: number) {
  for (let i = tableau.rows.length - 1; i >= 0; i--) {
    if (tableau.basis[i]! < n) continue
    const enter = tableau.rows[i]!.findIndex((entry, j) => j < n && entry !== 0n)
    if (enter < 0) {
      tableau.rows.splice(i, 1)
      tableau.basis.splice(i, 1)
      continue
    }
    if (tableau.rows[i]![enter]! < 0n) tableau.rows[i] = tableau.rows[i]!.map((entry) => -entry)
    pivot(tableau, i, enter)
  }
}

function pivot(tableau: Tableau, leave: number, enter: number) {
  const { rows, scale, effort } = tableau
  // Numbers grow as the pivots go on; a product of two takes longer the more digits they have.
  effort.left -= rows.length * rows[0]!.length * (1 + scale.toString(16).length / 16)
  const row = rows[leave]!
  const by = row[enter]!
  const reduced = (other: bigint[]) => {
    const factor = other[enter]!
    for (let j = 0; j < other.length; j++) other[j] = (other[j]! * by - factor * row[j]!) / scale
  }
  for (const [i, other] of rows.entries()) if (i !== leave) reduced(other)
  reduced(tableau.cost)
  tableau.basis[leave] = enter
  tableau.scale = by
}
