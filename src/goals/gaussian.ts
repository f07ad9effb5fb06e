import { CholeskyDecomposition, Matrix } from 'ml-matrix'

/** A Gaussian over goal weights, by mean and precision (the inverse covariance). */
export interface Gaussian {
  readonly mean: readonly number[]
  readonly precision: Matrix
}

/** An information in bits, in its two parts: how far the mean moved and how much the spread shrank. */
export interface Divergence {
  readonly bits: number
  readonly moved: number
  readonly sharpened: number
}

/**
 * KL(p‖q)/ln 2 = ½[tr(Sq⁻¹Sp) + (mp−mq)ᵀSq⁻¹(mp−mq) − d + ln(|Sq|/|Sp|)]/ln 2, told apart into
 * moved (the quadratic term: what the data said) and sharpened (the rest: how much was asked).
 *
 * units   bits
 */
export function klGaussian(p: Gaussian, q: Gaussian): Divergence {
  const d = p.mean.length
  const step = Matrix.columnVector(p.mean.map((m, k) => m - q.mean[k]!))
  const moved = step.transpose().mmul(q.precision).mmul(step).get(0, 0) / 2 / Math.LN2
  const trace = q.precision.mmul(covarianceOf(p.precision)).trace()
  const sharpened = (trace - d + logDet(p.precision) - logDet(q.precision)) / 2 / Math.LN2
  return { bits: moved + sharpened, moved, sharpened }
}

/** ln |A| of a positive definite matrix. */
export function logDet(matrix: Matrix): number {
  return (
    2 *
    factor(matrix)
      .lowerTriangularMatrix.diagonal()
      .reduce((sum, l) => sum + Math.log(l), 0)
  )
}

/** A⁻¹b for a positive definite A. */
export function solve(matrix: Matrix, b: Matrix): Matrix {
  return factor(matrix).solve(b)
}

/** The inverse of a positive definite matrix, symmetric to the last bit. */
export function covarianceOf(precision: Matrix): Matrix {
  return symmetric(solve(precision, Matrix.eye(precision.rows)))
}

/** L of L·Lᵀ = A for a positive definite A. */
export function lowerOf(matrix: Matrix): Matrix {
  return factor(symmetric(matrix)).lowerTriangularMatrix
}

/** Rounding is taken evenly from both sides: a matrix that is not symmetric to the last bit cannot be taken apart. */
function symmetric(matrix: Matrix): Matrix {
  return Matrix.add(matrix, matrix.transpose()).mul(0.5)
}

function factor(matrix: Matrix): CholeskyDecomposition {
  const cholesky = new CholeskyDecomposition(matrix)
  if (cholesky.isPositiveDefinite()) return cholesky
  throw new Error(`internal: gaussian: a precision must be positive definite, got\n${matrix}`)
}
