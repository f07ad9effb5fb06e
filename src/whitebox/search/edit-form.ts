/** A change of each site, flat, by its name. */
export type Changes = Readonly<Record<string, Float64Array>>

/** f64[m, k] · f64[k, n] */
export function product(a: Float64Array, b: Float64Array, m: number, k: number, n: number): Float64Array {
  const out = new Float64Array(m * n)
  for (let i = 0; i < m; i++)
    for (let l = 0; l < k; l++) {
      const x = a[i * k + l]!
      if (x !== 0) for (let j = 0; j < n; j++) out[i * n + j]! += x * b[l * n + j]!
    }
  return out
}

/** f64[m, n] → f64[n, m] */
export function transposed(a: Float64Array, m: number, n: number): Float64Array {
  const out = new Float64Array(a.length)
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) out[j * m + i] = a[i * n + j]!
  return out
}

/** The length of one array, or of several together. */
export function norm(...arrays: readonly Float64Array[]): number {
  let square = 0
  for (const array of arrays) for (let i = 0; i < array.length; i++) square += array[i]! * array[i]!
  return Math.sqrt(square)
}

/** Two edits' changes as one number: |cos| over all sites of both. */
export function agreement(a: Changes, b: Changes): number {
  let dot = 0
  for (const [name, x] of Object.entries(a)) if (b[name]) for (let i = 0; i < x.length; i++) dot += x[i]! * b[name]![i]!
  return Math.abs(dot) / (norm(...Object.values(a)) * norm(...Object.values(b)))
}
