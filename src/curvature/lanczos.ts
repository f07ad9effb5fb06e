import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import { UserError } from '../graph/index.ts'
import type { Operator } from './operator.ts'
import type { Eigenpair } from './power.ts'
import { addScaled, dot, norm, randomDirection, scaleBy, scaled, type Vector } from './vector.ts'

export interface LanczosOptions {
  /** How many products; no more than the size are taken. Default 30. */
  readonly steps?: number
  readonly seed?: number
  /** Where to start; default: a direction drawn by the seed. */
  readonly start?: Vector
}

/** What is known of a matrix in the space of some products. */
export interface Ritz {
  /** Ritz values, the smallest first: extreme ones are near extreme eigenvalues. */
  readonly values: readonly number[]
  /** Of each, the square of its vector's part along the start: nodes and weights of a quadrature of the spectrum. */
  readonly weights: readonly number[]
  /** Of each ‖A·v − λ·v‖: an eigenvalue lies no further from it than this. */
  readonly residuals: readonly number[]
  /** The vector of a value, by its place. */
  vector(i: number): Vector
  readonly products: number
}

/**
 * The tridiagonal form of a symmetric matrix in the space of v, Av, A²v, …, with full re-orthogonalisation.
 *
 * limits  keeps a vector of every step, in f64
 * source  Lanczos 1950, J. Res. Natl. Bur. Stand. 45:255; Parlett 1998, The Symmetric Eigenvalue Problem, chapter 13
 */
export async function lanczos(of: Operator, { steps = 30, seed = 0, start }: LanczosOptions = {}): Promise<Ritz> {
  const first = start ? scaled(1 / norm(start), start) : randomDirection(of.size, seed, 'lanczos')
  if (Number.isNaN(first[0])) throw new UserError('lanczos: start must be a direction, got a vector of zeros; give another')
  const basis: Vector[] = [first]
  const alpha: number[] = []
  const beta: number[] = []
  let last = 0
  for (let i = 0; i < Math.min(steps, of.size); i++) {
    const product = await of.apply(basis[i]!)
    alpha.push(dot(product, basis[i]!))
    // Twice is enough (Parlett, chapter 6).
    for (let pass = 0; pass < 2; pass++) for (const v of basis) addScaled(product, -dot(product, v), v)
    last = norm(product)
    const scale = Math.max(...alpha.map(Math.abs), ...beta)
    if (last <= 1e-13 * scale || i + 1 === Math.min(steps, of.size)) break
    beta.push(last)
    basis.push(scaleBy(1 / last, product))
  }
  return ritz(alpha, beta, last, basis)
}

/**
 * The k largest eigenvalues, the largest first.
 *
 * limits  of an eigenvalue that is there several times one is found
 */
export async function topEigen(of: Operator, k = 1, options: LanczosOptions = {}): Promise<readonly Eigenpair[]> {
  const { values, residuals, vector, products } = await lanczos(of, { steps: Math.max(30, 3 * k), ...options })
  const last = values.length - 1
  return Array.from({ length: Math.min(k, values.length) }, (_, i) => {
    const at = last - i
    return { value: values[at]!, vector: vector(at), residual: residuals[at]!, products }
  })
}

function ritz(alpha: readonly number[], beta: readonly number[], last: number, basis: readonly Vector[]): Ritz {
  const size = alpha.length
  const T = Matrix.zeros(size, size)
  for (let i = 0; i < size; i++) {
    T.set(i, i, alpha[i]!)
    if (i + 1 < size) {
      T.set(i, i + 1, beta[i]!)
      T.set(i + 1, i, beta[i]!)
    }
  }
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(T, { assumeSymmetric: true })
  const order = realEigenvalues.map((_, i) => i).sort((a, b) => realEigenvalues[a]! - realEigenvalues[b]!)
  return {
    values: order.map((i) => realEigenvalues[i]!),
    weights: order.map((i) => eigenvectorMatrix.get(0, i) ** 2),
    residuals: order.map((i) => Math.abs(last * eigenvectorMatrix.get(size - 1, i))),
    vector(at) {
      const sum = new Float64Array(basis[0]!.length)
      for (let k = 0; k < size; k++) addScaled(sum, eigenvectorMatrix.get(k, order[at]!), basis[k]!)
      return sum
    },
    products: size,
  }
}
