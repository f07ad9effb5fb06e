import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import { UserError } from '../graph/errors.ts'
import { type Activations, meanOf } from './activations.ts'
import { classMeans } from './mass-mean.ts'

/**
 * The difference of the means of two classes: from the first to the second.
 *
 * source  Panickssery et al. 2023, arXiv:2312.06681; Marks and Tegmark 2023, arXiv:2310.06824
 */
export function differenceOfMeans(x: Activations, labels: readonly number[]): Float64Array {
  const [first, second] = classMeans(x, labels, 2) as [Float64Array, Float64Array]
  return second.map((mean, k) => mean - first[k]!)
}

/** Principal components of rows, the one with the largest variance first. */
export interface Components {
  /** Unit vectors, each with its largest entry positive. */
  readonly directions: readonly Float64Array[]
  /** Of the rows along each, with n − 1. */
  readonly variances: readonly number[]
  /** Each variance as a share of that of all columns. */
  readonly shares: readonly number[]
}

/**
 * The first k principal components of rows of features, from whichever is smaller of covariance and Gram matrix.
 *
 * throws  UserError when k is more than rows less one or columns allow
 * source  Pearson 1901; Hotelling 1933
 */
export function principalComponents(x: Activations, k: number): Components {
  const most = Math.min(x.d, x.n - 1)
  if (!(k >= 1 && k <= most)) throw new UserError(`components: must be 1 to ${most} of ${x.n} rows of ${x.d}, got ${k}; ask for fewer`)
  const mean = meanOf(x)
  const centred = Matrix.from1DArray(
    x.n,
    x.d,
    x.data.map((value, i) => value - mean[i % x.d]!),
  )
  const across = centred.transpose()
  const byRows = x.n < x.d
  const square = (byRows ? centred.mmul(across) : across.mmul(centred)).div(x.n - 1)
  const { realEigenvalues: values, eigenvectorMatrix: vectors } = new EigenvalueDecomposition(square, { assumeSymmetric: true })
  const order = values
    .map((value, place) => ({ value: Math.max(0, value), place }))
    .sort((a, b) => b.value - a.value)
    .slice(0, k)
  const total = square.trace()
  const directions = order.map(({ place }) => {
    const column = vectors.getColumnVector(place)
    return positive(Float64Array.from((byRows ? across.mmul(column) : column).to1DArray()))
  })
  return { directions, variances: order.map(({ value }) => value), shares: order.map(({ value }) => value / total) }
}

/** A vector of length 1 whose largest entry is positive. */
function positive(v: Float64Array): Float64Array {
  const length = Math.hypot(...v)
  const largest = v.reduce((most, x) => (Math.abs(x) > Math.abs(most) ? x : most), 0)
  return v.map((x) => (x * Math.sign(largest)) / length)
}
