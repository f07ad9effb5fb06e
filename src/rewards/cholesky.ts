/**
 * The lower factor of a positive definite matrix, rows one after the other, zeros above the diagonal; what is above it is not read. Of hundreds of rows it is many times faster than
 * a matrix of objects.
 *
 * throws  Error where the matrix is not positive definite
 */
export function cholesky(matrix: Float64Array, n: number): Float64Array {
  const lower = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let rest = matrix[i * n + j]!
      for (let k = 0, a = i * n, b = j * n; k < j; k++) rest -= lower[a + k]! * lower[b + k]!
      if (j < i) lower[i * n + j] = rest / lower[j * n + j]!
      else if (rest > 0) lower[i * n + i] = Math.sqrt(rest)
      else throw new Error(`internal: a covariance must be positive definite, got ${rest} at ${i}`)
    }
  return lower
}

/** L⁻¹·b */
export function lowerSolve(lower: Float64Array, b: Float64Array): Float64Array {
  const n = b.length
  const x = b.slice()
  for (let i = 0; i < n; i++) {
    let rest = x[i]!
    for (let k = 0, row = i * n; k < i; k++) rest -= lower[row + k]! * x[k]!
    x[i] = rest / lower[i * n + i]!
  }
  return x
}

/** L⁻ᵀ·b */
export function lowerTransposedSolve(lower: Float64Array, b: Float64Array): Float64Array {
  const n = b.length
  const x = b.slice()
  for (let i = n - 1; i >= 0; i--) {
    x[i]! /= lower[i * n + i]!
    for (let k = 0, row = i * n; k < i; k++) x[k]! -= lower[row + k]! * x[i]!
  }
  return x
}

/** (L·Lᵀ)⁻¹, whole. */
export function inverseOf(lower: Float64Array, n: number): Float64Array {
  // Row j of `columns` is column j of L⁻¹, whose entries before j are 0.
  const columns = new Float64Array(n * n)
  for (let j = 0; j < n; j++) {
    columns[j * n + j] = 1 / lower[j * n + j]!
    for (let i = j + 1; i < n; i++) {
      let rest = 0
      for (let k = j; k < i; k++) rest -= lower[i * n + k]! * columns[j * n + k]!
      columns[j * n + i] = rest / lower[i * n + i]!
    }
  }
  const inverse = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let entry = 0
      for (let k = i; k < n; k++) entry += columns[i * n + k]! * columns[j * n + k]!
      inverse[i * n + j] = entry
      inverse[j * n + i] = entry
    }
  return inverse
}
