import { CholeskyDecomposition, EigenvalueDecomposition, Matrix, SingularValueDecomposition } from 'ml-matrix'
import { UserError } from '../graph/errors.ts'
import { type Tensor, tensor } from '../graph/index.ts'
import { random } from '../random/index.ts'
import { type Activations, crossProducts, deviationOf, meanOf, picked } from './activations.ts'
import { assignment } from './assignment.ts'
import { dot } from './subspace.ts'

/** What is done to each token's vector between two models: y = u(x)·W + b, row by row, where u is x or x / ‖x‖. */
export interface StitchMap {
  /** [width of A, width of B]; the identity where left out. */
  readonly matrix?: Matrix
  readonly bias?: Float64Array
  /** Whether vectors are first divided by their length. */
  readonly unit?: boolean
}

/** Vectors after a map. shape f32[n, width of A] → f32[n, width of B] */
export function mapped({ matrix, bias, unit = false }: StitchMap, x: Activations): Tensor {
  if (!matrix) return tensor(Float32Array.from(x.data), [x.n, x.d])
  const y = rowsOf(unit ? units(x) : x).mmul(matrix)
  const [data, d] = [new Float32Array(x.n * matrix.columns), matrix.columns]
  for (let i = 0; i < x.n; i++) for (let k = 0; k < d; k++) data[i * d + k] = y.get(i, k) + (bias?.[k] ?? 0)
  return tensor(data, [x.n, d])
}

/** How far least squares is drawn to 0, of the mean square of a column; more for a decoder that is to read the cosines of another model, which differ a little. */
const [ridgeShare, relativeRidge] = [1e-5, 1e-2]

/**
 * Least squares from rows x to rows y, with a small ridge so that few rows do.
 *
 * source  Maiorca et al. 2023, arXiv:2311.00664
 */
export function leastSquares(x: Activations, y: Activations, share = ridgeShare): Required<Pick<StitchMap, 'matrix' | 'bias'>> {
  const squares = Matrix.from1DArray(x.d, x.d, crossProducts(x, x))
  const ridge = share * (squares.trace() / x.d) || 1
  const matrix = new CholeskyDecomposition(squares.add(Matrix.eye(x.d).mul(ridge))).solve(Matrix.from1DArray(x.d, y.d, crossProducts(x, y)))
  return { matrix, bias: biasOf(matrix, meanOf(x), meanOf(y)) }
}

/**
 * The best least squares of ranks: the directions of what least squares gives that vary most. For each rank a map as two factors, x·down·up + b,
 * where x·down has columns of deviation 1.
 *
 * source  Izenman 1975, Reduced-rank regression for the multivariate linear model
 */
export function leastSquaresOfRank(
  x: Activations,
  y: Activations,
  { matrix } = leastSquares(x, y),
): (rank: number) => { down: Matrix; up: Matrix; bias: Float64Array } {
  const squares = Matrix.from1DArray(x.d, x.d, crossProducts(x, x))
  const varies = matrix.transpose().mmul(squares.mmul(matrix)).div(x.n)
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(varies, { assumeSymmetric: true })
  const order = realEigenvalues.map((_, i) => i).sort((i, j) => realEigenvalues[j]! - realEigenvalues[i]!)
  return (rank) => {
    const kept = order.slice(0, rank)
    const directions = eigenvectorMatrix.subMatrixColumn(kept)
    const sizes = kept.map((i) => Math.sqrt(Math.max(realEigenvalues[i]!, 0)) || 1)
    const down = matrix.mmul(directions).divRowVector(sizes)
    const up = directions.transpose().mulColumnVector(sizes)
    return { down, up, bias: biasOf(down.mmul(up), meanOf(x), meanOf(y)) }
  }
}

/**
 * The rotation (or reflection) of the stream that brings paired rows nearest: T = UVᵀ of the cross-covariance, between the two means.
 * What no row shows is left as it is.
 *
 * source  Schönemann 1966; Maiorca et al. 2023, arXiv:2311.00664
 */
export function procrustes(x: Activations, y: Activations): StitchMap {
  const cross = Matrix.from1DArray(x.d, y.d, crossProducts(x, y))
  const still = Matrix.eye(x.d).mul(1e-9 * cross.norm())
  const { leftSingularVectors: u, rightSingularVectors: v } = new SingularValueDecomposition(cross.add(still))
  const matrix = u.mmul(v.transpose())
  return { matrix, bias: biasOf(matrix, meanOf(x), meanOf(y)) }
}

/**
 * The reordering of the stream's channels under which paired rows correlate most, as one assignment. Equally good ones are left in place.
 *
 * source  Ainsworth et al. 2022, arXiv:2209.04836, section 3.1, with correlations as Li et al. 2015, arXiv:1511.07543
 */
export function permutation(x: Activations, y: Activations): StitchMap & { readonly order: readonly number[] } {
  const d = x.d
  const [sx, sy] = [deviationOf(x, meanOf(x)), deviationOf(y, meanOf(y))]
  const earns = crossProducts(x, y)
  for (let i = 0; i < d; i++)
    for (let j = 0; j < d; j++) earns[i * d + j] = earns[i * d + j]! / (x.n * sx[i]! * sy[j]!) + (i === j ? 1e-9 : 0)
  const order = assignment(earns, d)
  const matrix = Matrix.zeros(d, d)
  order.forEach((to, from) => void matrix.set(from, to, 1)) // biome-ignore format: one line
  return { matrix, order }
}

/**
 * Relative representations: r(x) = the cosines of x with the anchors, which are the same tokens in both models. An affine decoder from r to the stream
 * of B is fitted on B alone, by least squares, and then reads the r of A.
 *
 * source  Moschella et al. 2022, arXiv:2209.15430; the decoder here is affine
 */
export function relative(x: Activations, y: Activations, anchors: number, seed: number): StitchMap {
  const places = random(seed, 'stitch/anchors').shuffled([...Array(x.n).keys()]).slice(0, anchors) // biome-ignore format: one line
  if (places.length < 2)
    throw new UserError(`stitch: anchors must be two or more, got ${places.length}; ask for more, or give longer texts`)
  const [ofA, ofB] = [rowsOf(units(picked(x, places))), rowsOf(units(picked(y, places)))]
  const r = rowsOf(units(y)).mmul(ofB.transpose())
  const decoder = leastSquares({ n: y.n, d: places.length, data: Float64Array.from(r.to1DArray()) }, y, relativeRidge)
  return { unit: true, matrix: ofA.transpose().mmul(decoder.matrix), bias: decoder.bias }
}

/** Rows as a matrix. */
export function rowsOf({ n, d, data }: Activations): Matrix {
  return new Matrix(Array.from({ length: n }, (_, i) => data.subarray(i * d, (i + 1) * d)))
}

function units({ n, d, data }: Activations): Activations {
  const unit = data.slice()
  for (let i = 0; i < n; i++) {
    const row = unit.subarray(i * d, (i + 1) * d)
    const length = Math.sqrt(dot(row, row)) || 1
    for (let k = 0; k < d; k++) row[k]! /= length
  }
  return { n, d, data: unit }
}

/** What is added so that the mean of x becomes the mean of y. */
function biasOf(matrix: Matrix, from: Float64Array, to: Float64Array): Float64Array {
  return to.map((mean, k) => mean - from.reduce((sum, x, i) => sum + x * matrix.get(i, k), 0))
}
