import { demand, show, type Tensor } from '../graph/index.ts'

/** Activations of features in f64, one behind the other. */
export interface Activations {
  readonly n: number
  readonly d: number
  readonly data: Float64Array
}

/**
 * A tensor f32[n, d] as rows in f64.
 *
 * throws  ShapeError for another number of axes
 */
export function activationsOf(x: Tensor): Activations {
  demand(x.shape.length === 2, () => `rows: must be [n, d], got ${show(x)}`)
  return { n: x.shape[0]!, d: x.shape[1]!, data: Float64Array.from(x.data) }
}

/** Some of the rows, in the order asked for. */
export function picked({ d, data }: Activations, which: readonly number[]): Activations {
  const some = new Float64Array(which.length * d)
  which.forEach((row, i) => {
    some.set(data.subarray(row * d, (row + 1) * d), i * d)
  })
  return { n: which.length, d, data: some }
}

/** Some of the columns, in the order asked for. */
export function columnsOf({ n, d, data }: Activations, which: readonly number[]): Activations {
  const some = new Float64Array(n * which.length)
  for (let i = 0; i < n; i++) for (let k = 0; k < which.length; k++) some[i * which.length + k] = data[i * d + which[k]!]!
  return { n, d: which.length, data: some }
}

/** The mean of each column; with weights, the weighted one. */
export function meanOf({ n, d, data }: Activations, weights?: ArrayLike<number>): Float64Array {
  const mean = new Float64Array(d)
  let total = 0
  for (let i = 0; i < n; i++) {
    const w = weights ? weights[i]! : 1
    total += w
    for (let k = 0; k < d; k++) mean[k]! += w * data[i * d + k]!
  }
  return mean.map((x) => x / total)
}

/** The standard deviation of each column; 1 where a column is constant, so that one can divide by it. */
export function deviationOf({ n, d, data }: Activations, mean: Float64Array): Float64Array {
  const square = new Float64Array(d)
  for (let i = 0; i < n; i++) for (let k = 0; k < d; k++) square[k]! += (data[i * d + k]! - mean[k]!) ** 2
  return square.map((x, k) => {
    const deviation = Math.sqrt(x / n)
    return deviation > 1e-12 * Math.max(1, Math.abs(mean[k]!)) ? deviation : 1
  })
}

/** Σ (xᵢ − x̄)(yᵢ − ȳ)ᵀ of paired rows, [d, e] row-major. */
export function crossProducts(x: Activations, y: Activations): Float64Array {
  const [mx, my] = [meanOf(x), meanOf(y)]
  const sums = new Float64Array(x.d * y.d)
  const dy = new Float64Array(y.d)
  for (let i = 0; i < x.n; i++) {
    for (let l = 0; l < y.d; l++) dy[l] = y.data[i * y.d + l]! - my[l]!
    for (let k = 0; k < x.d; k++) {
      const dx = x.data[i * x.d + k]! - mx[k]!
      for (let l = 0; l < y.d; l++) sums[k * y.d + l]! += dx * dy[l]!
    }
  }
  return sums
}

/** Labels as one column for each class: 1 where a row is of it, else 0. */
export function oneHot(labels: readonly number[], classes: number): Activations {
  const data = new Float64Array(labels.length * classes)
  labels.forEach((label, i) => {
    data[i * classes + label] = 1
  })
  return { n: labels.length, d: classes, data }
}
