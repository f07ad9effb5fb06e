import { EigenvalueDecomposition, Matrix, SingularValueDecomposition } from 'ml-matrix'
import { matmul, reshape, table, tensor, type Value } from '../graph/index.ts'
import type { Edit } from '../policy/index.ts'
import { type Activations, crossProducts, meanOf } from './activations.ts'

/** What is known of features x and a concept z: covariances, and the mean of x. */
export interface Covariances {
  /** d by d. */
  readonly xx: Matrix
  /** d by k. */
  readonly xz: Matrix
  readonly mean: Float64Array
}

/** x′ = x − left·right·(x − mean), in which no linear reader finds the concept. */
export interface Eraser {
  /** d by r, r at most k − 1 for k classes. */
  readonly left: Matrix
  /** r by d. */
  readonly right: Matrix
  readonly mean: Float64Array
}

export interface LeaceOptions {
  /** Singular values of W·Σxz up to this are left in: their direction stays, and so does its covariance. Default 0.01. */
  readonly tolerance?: number
  /** Whether Σxx is drawn towards a multiple of 1, which few rows for many columns need. Default true. */
  readonly shrinkage?: boolean
}

/**
 * The eraser of a concept from rows of features: among all affine maps that leave Cov(x′, z) = 0 the one that moves x least, in every norm.
 *
 * shape   x n by d, z n by k: one-hot classes, or numbers
 * source  Belrose et al. 2023, arXiv:2306.03819, theorem 4.3; as EleutherAI/concept-erasure @ 9f51c97 has it
 * limits  linear readers alone are blinded: report what a non-linear one still finds. A constraint of the trace, which round-off alone would
 *         need, is left out: trace Cov(x′) ≤ trace Cov(x) by construction for the Σxx that the eraser is made
 *         of; for the rows' own it may rise where that was drawn towards a multiple of 1
 */
export function leace(x: Activations, z: Activations, options: LeaceOptions = {}): Eraser {
  const square = Matrix.from1DArray(x.d, x.d, crossProducts(x, x))
  const xx = options.shrinkage === false ? square.div(x.n - 1) : shrunk(square.div(x.n), x.n)
  const xz = Matrix.from1DArray(x.d, z.d, crossProducts(x, z)).div(x.n - 1)
  return eraserOf({ xx, xz, mean: meanOf(x) }, options)
}

/**
 * The eraser from covariances: with W the pseudo-inverse root of Σxx and U the left singular vectors of W·Σxz, left = W⁺U and right = UᵀW.
 *
 * source  as leace
 */
export function eraserOf({ xx, xz, mean }: Covariances, { tolerance = 0.01 }: LeaceOptions = {}): Eraser {
  const { realEigenvalues: values, eigenvectorMatrix: vectors } = new EigenvalueDecomposition(xx, { assumeSymmetric: true })
  const least = Math.max(...values) * values.length * Number.EPSILON
  const power = (p: number) => {
    const scaled = vectors.clone()
    values.forEach((value, k) => void scaled.mulColumn(k, value > least ? value ** p : 0))
    return scaled.mmul(vectors.transpose())
  }
  const [root, whiten] = [power(0.5), power(-0.5)]
  const { leftSingularVectors: u, diagonal } = new SingularValueDecomposition(whiten.mmul(xz), { autoTranspose: true })
  const kept = diagonal.flatMap((value, k) => (value > tolerance ? [k] : []))
  const chosen = new Matrix(xx.rows, kept.length)
  kept.forEach((from, to) => void chosen.setColumn(to, u.getColumn(from)))
  return { left: root.mmul(chosen), right: chosen.transpose().mmul(whiten), mean }
}

/**
 * α·S + β·1: the linear shrinkage of a covariance that is nearest to the true one as rows and columns grow together.
 *
 * source  Bodnar, Gupta and Parolya 2014, arXiv:1308.2608
 */
function shrunk(s: Matrix, n: number): Matrix {
  const trace = s.trace()
  const target = trace / s.rows
  const targetSquare = target * target * s.rows
  const square = s.norm('frobenius') ** 2
  const product = trace * target
  const alpha = 1 - ((trace * trace * targetSquare) / n + Number.EPSILON) / (square * targetSquare - product * product + Number.EPSILON)
  const beta = ((1 - alpha) * (product + Number.EPSILON)) / (targetSquare + Number.EPSILON)
  return s
    .clone()
    .mul(alpha)
    .add(Matrix.eye(s.rows).mul(beta * target))
}

/** Rows of features without the concept. */
export function erased({ left, right, mean }: Eraser, x: Activations): Activations {
  const data = x.data.slice()
  for (let i = 0; i < x.n; i++)
    for (let r = 0; r < right.rows; r++) {
      let share = 0
      for (let k = 0; k < x.d; k++) share += right.get(r, k) * (x.data[i * x.d + k]! - mean[k]!)
      for (let k = 0; k < x.d; k++) data[i * x.d + k]! -= share * left.get(k, r)
    }
  return { ...x, data }
}

/**
 * The eraser as an edit of a tap: `edited(policy, erasing(eraser), { at: tap })`. Every token is edited, wherever the rows that it was fitted on
 * came from.
 *
 * throws  ShapeError while tracing, at a tap of another width
 */
export function erasing({ left, right, mean }: Eraser): Edit {
  const fixed = (m: Matrix) => tensor(Float32Array.from(m.to1DArray()), [m.rows, m.columns])
  return (_, x: Value) => {
    const [rows, columns] = [table(fixed(right.transpose())), table(fixed(left.transpose()))]
    const moved = x.sub(reshape(table(tensor(Float32Array.from(mean), [mean.length])), [1, 1, mean.length]))
    return x.sub(matmul(matmul(moved, rows), columns))
  }
}
