import { CholeskyDecomposition, Matrix } from 'ml-matrix'
import { normalCdf, normalQuantile } from './special-functions.ts'

/** Which side of zero a weight is held on; 0 where it may be on both. */
export type Sign = 1 | -1 | 0

/** A Gaussian held to one side of zero on some of its axes. */
export interface Orthant {
  readonly probability: number
  readonly mean: readonly number[]
  readonly variance: readonly number[]
}

/** A point inside, and how much it counts: the probability of its conditional boxes. */
interface Inside {
  readonly at: number[]
  readonly weight: number
  /** The part of the weight that depends on where the point is, at most 1. */
  readonly varying: number
}

/** Points of the lattice that correlated axes are integrated over. */
const points = 4096

/**
 * How probable N(mean, covariance) makes some signs, and the moments of what lies there.
 *
 * limits  exact where the axes are independent; else an average over a lattice of 4096 points, off by some 1e-5 of two axes, 1e-4 of three that go closely together
 * source  Genz 1992, Numerical computation of multivariate normal probabilities; Roberts 2018 on the steps of the lattice
 */
export function orthant(mean: readonly number[], covariance: Matrix, signs: readonly Sign[]): Orthant {
  const d = mean.length
  if (isDiagonal(covariance)) {
    const each = mean.map((m, k) => halfNormal(m, Math.sqrt(covariance.get(k, k)), signs[k]!))
    return {
      probability: each.reduce((product, { probability }) => product * probability, 1),
      mean: each.map(({ mean }) => mean),
      variance: each.map(({ variance }) => variance),
    }
  }
  const { pointAt, order } = sequence(mean, covariance, signs)
  const steps = order.map((_, k) => goldenRatio(d) ** -(k + 1))
  const total = { weight: 0, first: mean.map(() => 0), second: mean.map(() => 0) }
  for (let i = 1; i <= points; i++) {
    // The tent makes the integrand periodic, for which a lattice is most exact.
    const u = steps.map((step) => Math.abs(2 * ((i * step) % 1) - 1))
    const { at, weight } = pointAt(u)
    total.weight += weight
    for (let k = 0; k < d; k++) {
      total.first[k]! += weight * at[k]!
      total.second[k]! += weight * at[k]! ** 2
    }
  }
  const means = total.first.map((sum) => sum / total.weight)
  return {
    probability: total.weight / points,
    mean: means,
    variance: total.second.map((sum, k) => sum / total.weight - means[k]! ** 2),
  }
}

/**
 * One draw of a Gaussian held to signs, exactly: axes are drawn one after the other within their bounds, and kept as often as the later bounds
 * leave room.
 */
export function drawInside(
  mean: readonly number[],
  covariance: Matrix,
  signs: readonly Sign[],
  uniform: (attempt: number, axis: number) => number,
): number[] {
  const { pointAt } = sequence(mean, covariance, signs)
  for (let attempt = 0; attempt < 1e6; attempt++) {
    const { at, varying } = pointAt(mean.map((_, k) => uniform(attempt, k)))
    if (uniform(attempt, mean.length) < varying) return at
  }
  throw new Error('internal: prior: a draw must lie within its signs after a million attempts')
}

/** Points by numbers in (0, 1): held axes first, each given those before it. */
function sequence(mean: readonly number[], covariance: Matrix, signs: readonly Sign[]) {
  const axes = mean.map((_, k) => k)
  const order = [...axes.filter((k) => signs[k] !== 0), ...axes.filter((k) => signs[k] === 0)]
  const lower = new CholeskyDecomposition(new Matrix(order.map((i) => order.map((j) => covariance.get(i, j))))).lowerTriangularMatrix
  const pointAt = (u: readonly number[]): Inside => {
    const z: number[] = []
    const at = mean.map(() => 0)
    let [weight, varying] = [1, 1]
    order.forEach((k, row) => {
      const given = z.reduce((sum, value, j) => sum + value * lower.get(row, j), mean[k]!)
      const scale = lower.get(row, row)
      const sign = signs[k]!
      // The share of the axis that is left to the sign.
      const room = sign === 0 ? 1 : normalCdf((sign * given) / scale)
      weight *= room
      if (sign !== 0 && z.some((_, j) => lower.get(row, j) !== 0)) varying *= room
      const within = Math.min(Math.max(u[row]!, 1e-15), 1 - 1e-15)
      z.push(sign === 0 ? normalQuantile(within) : -sign * normalQuantile(Math.max(within * room, 1e-300)))
      at[k] = given + scale * z[row]!
    })
    return { at, weight, varying }
  }
  return { order, pointAt }
}

/** One axis: the normal distribution held to a side of zero. */
function halfNormal(mean: number, sd: number, sign: Sign) {
  if (sign === 0) return { probability: 1, mean, variance: sd * sd }
  const a = (sign * mean) / sd
  const probability = normalCdf(a)
  const ratio = Math.exp(-(a * a) / 2) / Math.sqrt(2 * Math.PI) / probability
  return { probability, mean: mean + sign * sd * ratio, variance: sd * sd * (1 - a * ratio - ratio * ratio) }
}

export function isDiagonal(matrix: Matrix): boolean {
  for (let i = 0; i < matrix.rows; i++) for (let j = 0; j < i; j++) if (matrix.get(i, j) !== 0) return false
  return true
}

/** The root above 1 of x^(d + 1) = x + 1, whose powers are steps that fill d axes evenly. */
function goldenRatio(d: number): number {
  let x = 2
  for (let round = 0; round < 60; round++) x = (1 + x) ** (1 / (d + 1))
  return x
}
