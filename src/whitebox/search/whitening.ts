import { CholeskyDecomposition, Matrix } from 'ml-matrix'
import type { Searched } from './searched.ts'
import type { Site } from './sites.ts'

/** Coordinates of a site's two sides in which a change does about as much in every direction. */
export interface Whitening {
  /** A plain vector along outputs, f64[m], or along inputs, f64[n], of a whitened one. */
  up(white: Float64Array): Float64Array
  down(white: Float64Array): Float64Array
  /** The slope for a whitened vector, of the slope for the plain one. */
  upSlope(slope: Float64Array): Float64Array
  downSlope(slope: Float64Array): Float64Array
}

/** Added to the diagonal, as a share of its mean: directions that do less than the mean are taken to do about as much. */
const damping = 1
/** Texts that are probed at most. */
const mostTexts = 96

/**
 * Whitens by the two factors of the Fisher information of a matrix, F ≈ L ⊗ R / tr L, with L = E[S·Sᵀ] and R = E[Sᵀ·S] of slopes S whose second moment it is.
 *
 * shape   left f64[m · m], right f64[n · n]
 * source  Martens and Grosse 2015, arXiv:1503.05671; the factors from slopes alone: Gupta et al. 2018, arXiv:1802.09568
 */
export function whiteningOf(left: Float64Array, right: Float64Array, m: number, n: number): Whitening {
  let trace = 0
  for (let i = 0; i < m; i++) trace += left[i * m + i]!
  const [up, down] = [rootOf(left, m), rootOf(right.map((x) => x / (trace || 1)), n)] // biome-ignore format: one line
  return {
    up: (x) => solveUpper(up, x),
    down: (x) => solveUpper(down, x),
    upSlope: (x) => solveLower(up, x),
    downSlope: (x) => solveLower(down, x),
  }
}

/** The whitening of each site, by what the model itself predicts of texts. */
export async function whiteningsOf(
  searched: Searched,
  sites: readonly Site[],
  texts: readonly (readonly number[])[],
  seed: number,
): Promise<Record<string, Whitening>> {
  await searched.put({})
  const every = Math.ceil(texts.length / mostTexts)
  const moments = await searched.moments(
    texts.filter((_, i) => i % every === 0),
    seed,
  )
  return Object.fromEntries(sites.map(({ name, shape: [m, n] }) => [name, whiteningOf(moments[name]!.left, moments[name]!.right, m!, n!)]))
}

/** The lower triangular root of a damped moment, row after row. */
function rootOf(moment: Float64Array, n: number): readonly Float64Array[] {
  let trace = 0
  for (let i = 0; i < n; i++) trace += moment[i * n + i]!
  const damped = Matrix.from1DArray(n, n, moment)
  for (let i = 0; i < n; i++) damped.set(i, i, damped.get(i, i) + (damping * trace) / n || 1)
  const root = new CholeskyDecomposition(damped).lowerTriangularMatrix
  return Array.from({ length: n }, (_, i) => Float64Array.from(root.getRow(i)))
}

function solveLower(root: readonly Float64Array[], b: Float64Array): Float64Array {
  const x = b.slice()
  for (const [i, row] of root.entries()) {
    let sum = x[i]!
    for (let j = 0; j < i; j++) sum -= row[j]! * x[j]!
    x[i] = sum / row[i]!
  }
  return x
}

/** Of the transposed root. */
function solveUpper(root: readonly Float64Array[], b: Float64Array): Float64Array {
  const x = b.slice()
  for (let i = root.length - 1; i >= 0; i--) {
    const row = root[i]!
    const value = x[i]! / row[i]!
    x[i] = value
    for (let j = 0; j < i; j++) x[j]! -= row[j]! * value
  }
  return x
}
