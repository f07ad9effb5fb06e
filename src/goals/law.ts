import { Matrix } from 'ml-matrix'
import { random } from '../random/index.ts'
import { covarianceOf, logDet } from './gaussian.ts'
import { drawInside, isDiagonal, orthant, type Sign } from './orthant.ts'

/**
 * A law of goal weights as plain numbers: Gaussian, but for the goals whose weights are by themselves Laplace, and held to one side of zero where
 * a sign says so.
 */
export interface Law {
  /** The mean, before signs. */
  readonly location: readonly number[]
  /** Before signs. A Laplace weight of scale b has variance 2b², and goes with no other. */
  readonly covariance: readonly (readonly number[])[]
  readonly laplace: readonly boolean[]
  readonly signs: readonly Sign[]
}

/** A law taken apart for numbers: its Gaussian goals, its Laplace goals, and the log of the probability of its signs. */
export interface Taken {
  readonly gaussian: readonly number[]
  readonly precision: Matrix
  readonly laplace: readonly { readonly k: number; readonly scale: number }[]
  readonly logNormal: number
}

/** Whether it is a Gaussian alone, which Newton and Laplace can take. */
export function isGaussian({ laplace, signs }: Law): boolean {
  return !laplace.includes(true) && signs.every((sign) => sign === 0)
}

/** The probability of some signs, before the law's own; its own are taken where none are named. */
export function signProbability(law: Law, signs: readonly Sign[] = law.signs): number {
  const { gaussian, covariance } = gaussianPart(law)
  const ofGaussian = orthant(pick(law.location, gaussian), covariance, pick(signs, gaussian)).probability
  return laplaceAxes(law).reduce(
    (product, { k, scale }) => product * halfLaplace(law.location[k]!, scale, signs[k]!).probability,
    ofGaussian,
  )
}

/** Mean and variance of each weight under the law, signs included. */
export function momentsOf(law: Law): { mean: number[]; variance: number[] } {
  const { gaussian, covariance } = gaussianPart(law)
  const mean = [...law.location]
  const variance = law.covariance.map((row, k) => row[k]!)
  const signs = pick(law.signs, gaussian)
  if (signs.some((sign) => sign !== 0)) {
    const found = orthant(pick(law.location, gaussian), covariance, signs)
    gaussian.forEach((k, i) => {
      mean[k] = found.mean[i]!
      variance[k] = found.variance[i]!
    })
  }
  for (const { k, scale } of laplaceAxes(law)) {
    const found = halfLaplace(law.location[k]!, scale, law.signs[k]!)
    mean[k] = found.mean
    variance[k] = found.variance
  }
  return { mean, variance }
}

/** One draw of the weights; the same seed draws the same. */
export function drawOf(law: Law, seed: number): number[] {
  const { gaussian, covariance } = gaussianPart(law)
  const { uniform } = random(seed, 'prior')
  const drawn = law.location.map(() => 0)
  const inside = drawInside(pick(law.location, gaussian), covariance, pick(law.signs, gaussian), (attempt, axis) => uniform(attempt, axis))
  gaussian.forEach((k, i) => {
    drawn[k] = inside[i]!
  })
  for (const { k, scale } of laplaceAxes(law)) drawn[k] = quantileLaplace(law.location[k]!, scale, law.signs[k]!, uniform(0, k, 1))
  return drawn
}

export function takeApart(law: Law): Taken {
  const { gaussian, covariance } = gaussianPart(law)
  const precision = covarianceOf(covariance)
  const laplace = laplaceAxes(law)
  const logNormal =
    -logDet(covariance) / 2 -
    (gaussian.length / 2) * Math.log(2 * Math.PI) -
    laplace.reduce((sum, { scale }) => sum + Math.log(2 * scale), 0) -
    Math.log(signProbability(law))
  return { gaussian, precision, laplace, logNormal }
}

/** ln of the density, −∞ outside of the signs; `slope` gets the derivative added. */
export function logDensityAt(law: Law, taken: Taken, w: ArrayLike<number>, slope?: Float64Array): number {
  const { location, signs } = law
  for (let k = 0; k < signs.length; k++) if (signs[k]! * w[k]! < 0) return Number.NEGATIVE_INFINITY
  let log = taken.logNormal
  taken.gaussian.forEach((k, i) => {
    let pull = 0
    taken.gaussian.forEach((j, other) => {
      pull += taken.precision.get(i, other) * (w[j]! - location[j]!)
    })
    log -= (pull * (w[k]! - location[k]!)) / 2
    if (slope) slope[k]! -= pull
  })
  for (const { k, scale } of taken.laplace) {
    const away = w[k]! - location[k]!
    log -= Math.abs(away) / scale
    if (slope) slope[k]! -= Math.sign(away) / scale
  }
  return log
}

function gaussianPart({ laplace, covariance }: Law): { gaussian: number[]; covariance: Matrix } {
  const gaussian = laplace.flatMap((is, k) => (is ? [] : [k]))
  const part = Matrix.zeros(gaussian.length, gaussian.length)
  gaussian.forEach(
    (i, row) =>
      void part.setRow(
        row,
        gaussian.map((j) => covariance[i]![j]!),
      ),
  )
  return { gaussian, covariance: part }
}

function laplaceAxes({ laplace, covariance }: Law) {
  return laplace.flatMap((is, k) => (is ? [{ k, scale: Math.sqrt(covariance[k]![k]! / 2) }] : []))
}

/** The Laplace distribution held to a side of zero. */
function halfLaplace(m: number, b: number, sign: Sign): { probability: number; mean: number; variance: number } {
  if (sign === 0) return { probability: 1, mean: m, variance: 2 * b * b }
  // On the positive side: with a ≥ 0 the location inside, else only an exponential tail is.
  const a = sign * m
  if (a <= 0) return { probability: Math.exp(a / b) / 2, mean: sign * b, variance: b * b }
  const tail = Math.exp(-a / b)
  const probability = 1 - tail / 2
  const mean = (a + (b * tail) / 2) / probability
  // ∫ y² over both exponentials, from 0: a² + 2b² less what the far tail had.
  const second = (a * a + 2 * b * b - b * b * tail) / probability
  return { probability, mean: sign * mean, variance: second - mean * mean }
}

/** The weight that a share u of the law lies below. */
function quantileLaplace(m: number, b: number, sign: Sign, u: number): number {
  const below = m >= 0 ? Math.exp(-m / b) / 2 : 1 - Math.exp(m / b) / 2
  const [from, to] = [sign > 0 ? below : 0, sign < 0 ? below : 1]
  const p = from + Math.min(Math.max(u, 1e-12), 1 - 1e-12) * (to - from)
  return p < 0.5 ? m + b * Math.log(2 * p) : m - b * Math.log(2 * (1 - p))
}

function pick<T>(all: readonly T[], places: readonly number[]): T[] {
  return places.map((k) => all[k]!)
}

/** The law of a Gaussian by itself. */
export function gaussianLaw(mean: readonly number[], covariance: readonly (readonly number[])[]): Law {
  return { location: mean, covariance, laplace: mean.map(() => false), signs: mean.map(() => 0) }
}

/** A matrix with these on its diagonal. */
export function diagonal(values: readonly number[]): number[][] {
  return values.map((value, k) => values.map((_, j) => (j === k ? value : 0)))
}

/** Whether Gaussian weights go with each other. */
export function isCorrelated({ covariance }: Law): boolean {
  return !isDiagonal(new Matrix(covariance.map((row) => [...row])))
}
