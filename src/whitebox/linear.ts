import type { Activations } from './activations.ts'

/**
 * A linear reading of features: scores = x·Wᵀ + b. Of two classes there is one row, and a score above 0 is the second class; of more there is
 * one row for each, and the largest score wins.
 */
export interface Linear {
  readonly weight: readonly Float64Array[]
  readonly bias: readonly number[]
}

/** One score for each row of a reading, f64[n, rows of W]. */
export function scoresOf({ weight, bias }: Linear, { n, d, data }: Activations): number[][] {
  return Array.from({ length: n }, (_, i) =>
    weight.map((w, c) => {
      let sum = bias[c]!
      for (let k = 0; k < d; k++) sum += w[k]! * data[i * d + k]!
      return sum
    }),
  )
}

/** The class that each row of scores says. */
export function classesOf(scores: readonly (readonly number[])[]): number[] {
  return scores.map((row) => (row.length === 1 ? Number(row[0]! > 0) : row.indexOf(Math.max(...row))))
}

/** A reading of (x − mean)/deviation as one of x itself. */
export function unscaled({ weight, bias }: Linear, mean: Float64Array, deviation: Float64Array): Linear {
  const raw = weight.map((w) => w.map((x, k) => x / deviation[k]!))
  return { weight: raw, bias: raw.map((w, c) => bias[c]! - w.reduce((sum, x, k) => sum + x * mean[k]!, 0)) }
}
