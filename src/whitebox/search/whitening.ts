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
  /** The whitened vector of a plain one. */
  upWhite(plain: Float64Array): Float64Array
  downWhite(plain: Float64Array): Float64Array
}

/** Added to the diagonal, as a share of its mean: directions that do less than that are taken to do about as much. */
export type Damping = number

/** Texts that are probed at most. */
const mostTexts = 96

/**
 * Whitens by the two factors of the Fisher information of a matrix, F ≈ L ⊗ R / tr L, with L = E[S·Sᵀ] and R = E[Sᵀ·S] of slopes S whose second moment it is.
 *
 * shape   left f64[m · m], right f64[n · n]
 * source  Martens and Grosse 2015, arXiv:1503.05671; the factors from slopes alone: Gupta et al. 2018, arXiv:1802.09568
 */
export function whiteningOf(left: Float64Array, right: Float64Array, m: number, n: number, damping: Damping = 1): Whitening {
  let trace = 0
  for (let i = 0; i < m; i++) trace += left[i * m + i]!
  const [up, down] = [rootOf(left, m, damping), rootOf(right.map((x) => x / (trace || 1)), n, damping)] // biome-ignore format: one line
  return {
    up: (x) => solveUpper(up, x),
    down: (x) => solveUpper(down, x),
    upSlope: (x) => solveLower(up, x),
    downSlope: (x) => solveLower(down, x),
    upWhite: (x) => timesUpper(up, x),
    downWhite: (x) => timesUpper(down, x),
  }
}

/** The whitening of a site, damped as much as is asked for, by what the model itself predicts of texts. */
export async function whiteningsOf(
  searched: Searched,
  texts: readonly (readonly number[])[],
  seed: number,
): Promise<(site: Site, damping?: Damping) => Whitening> {
  await searched.put({})
  const every = Math.ceil(texts.length / mostTexts)
  const moments = await searched.moments(
    texts.filter((_, i) => i % every === 0),
    seed,
  )
  const known = new Map<string, Whitening>()
  return ({ name, shape }, damping = 1) => {
    const [key, { left, right }] = [`${name} ${damping}`, moments[name]!]
    if (!known.has(key)) known.set(key, whiteningOf(left, right, shape[0]!, shape[1]!, damping))
    return known.get(key)!
  }
}

/** The lower triangular root of a damped moment, row after row. */
function rootOf(moment: Float64Array, n: number, damping: Damping): readonly Float64Array[] {
  let trace = 0
  for (let i = 0; i < n; i++) trace += moment[i * n + i]!
  const damped = Matrix.from1DArray(n, n, moment)
  // A product's two halves are added up in different orders where it is large.
  for (let i = 0; i < n; i++)
    for (let j = 0; j < i; j++) {
      const middle = (moment[i * n + j]! + moment[j * n + i]!) / 2
      damped.set(i, j, middle).set(j, i, middle)
    }
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

/** The transposed root times a vector. */
function timesUpper(root: readonly Float64Array[], b: Float64Array): Float64Array {
  const x = new Float64Array(b.length)
  for (const [i, row] of root.entries()) for (let j = 0; j <= i; j++) x[j]! += row[j]! * b[i]!
  return x
}
