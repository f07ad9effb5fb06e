import { Matrix, QrDecomposition } from 'ml-matrix'
import { UserError } from '../graph/index.ts'
import { random } from '../random/index.ts'
import type { Operator } from './operator.ts'
import { addScaled, dot, norm, randomSigns, scaled, type Vector } from './vector.ts'

/** A trace as it was estimated. */
export interface TraceEstimate {
  readonly trace: number
  /** The standard error of the trace, from the estimates below; of Hutch++ of the part that is not exact. */
  readonly standardError: number
  /** Single unbiased estimates, whose mean is the trace; of XTrace they depend on each other a little. */
  readonly estimates: readonly number[]
  readonly products: number
}

export interface TraceOptions {
  /** How many products to take. Default 30. */
  readonly products?: number
  readonly seed?: number
}

/**
 * tr A as the mean of vᵀA·v over vectors of signs; the variance of one is 2·Σ_{i≠k} A_ik².
 *
 * source  Hutchinson 1989, Commun. Stat. Simul. Comput. 18:1059; V-HVP-1
 */
export async function hutchinson(of: Operator, { products = 30, seed = 0 }: TraceOptions = {}): Promise<TraceEstimate> {
  atLeast('hutchinson', products, 1)
  const estimates: number[] = []
  for (let i = 0; i < products; i++) {
    const v = randomSigns(of.size, seed, `hutchinson ${i}`)
    estimates.push(dot(v, await of.apply(v)))
  }
  return { trace: mean(estimates), standardError: errorOfMean(estimates), estimates, products }
}

/**
 * tr A exactly in the space of a sketch, and by Hutchinson's estimate outside of it: a third of the products each for sketch, space and rest.
 *
 * limits  at least 3 products; exact when the rank is at most a third of them
 * source  Meyer, Musco, Musco and Woodruff 2021, arXiv:2010.09649
 */
export async function hutchPlusPlus(of: Operator, { products = 30, seed = 0 }: TraceOptions = {}): Promise<TraceEstimate> {
  atLeast('hutchPlusPlus', products, 3)
  const third = Math.min(Math.floor(products / 3), of.size)
  const images = await productsOf(of, drawn(of, third, seed, 'sketch'))
  const space = orthonormal(images)
  const inside = (await productsOf(of, space)).reduce((sum, image, i) => sum + dot(space[i]!, image), 0)
  const rest: number[] = []
  for (let i = 0; i < products - 2 * third; i++) {
    const v = randomSigns(of.size, seed, `rest ${i}`)
    for (let pass = 0; pass < 2; pass++) for (const q of space) addScaled(v, -dot(v, q), q)
    rest.push(dot(v, await of.apply(v)))
  }
  const estimates = rest.map((x) => inside + x)
  return { trace: mean(estimates), standardError: errorOfMean(estimates), estimates, products: third + space.length + rest.length }
}

/**
 * tr A by the sketch of which each vector in turn is left out and takes the part of Hutchinson's probe, so that every product serves twice.
 *
 * limits  at least 4 products, half of them for the sketch; probes of normal numbers, without the rescaling for probes on a sphere
 * source  Epperly, Tropp and Webber 2024, arXiv:2301.07825, section 2.1 and appendix on its implementation
 */
export async function xTrace(of: Operator, { products = 30, seed = 0 }: TraceOptions = {}): Promise<TraceEstimate> {
  atLeast('xTrace', products, 4)
  const count = Math.min(Math.floor(products / 2), of.size)
  const probes = drawn(of, count, seed, 'xTrace')
  const images = await productsOf(of, probes)
  const space = orthonormal(images)
  // A matrix whose rank the sketch exhausts has its whole trace inside.
  const spaceImages = await productsOf(of, space)
  const H = gram(space, spaceImages)
  if (space.length < count || space.length === of.size) {
    const trace = H.trace()
    return { trace, standardError: 0, estimates: [trace], products: count + space.length }
  }
  const W = gram(space, probes)
  const T = gram(space, images)
  const left = columnsNormalised(new QrDecomposition(T).solve(Matrix.eye(count)).transpose())
  const estimates = probes.map((probe, i) => {
    const s = left.getColumnVector(i)
    const w = W.getColumnVector(i)
    const x = Matrix.sub(w, Matrix.mul(s, s.dot(w)))
    const inside = H.trace() - s.dot(H.mmul(s))
    return inside + dot(probe, images[i]!) - 2 * x.dot(T.getColumnVector(i)) + x.dot(H.mmul(x))
  })
  return { trace: mean(estimates), standardError: errorOfMean(estimates), estimates, products: 2 * count }
}

/** The three ways to estimate a trace, by name. */
export const traceMethods = { hutchinson, hutchPlusPlus, xTrace }

/** Normal numbers, of which no vector lies in the span of others, as signs may. */
function drawn(of: Operator, count: number, seed: number, name: string): Vector[] {
  return Array.from({ length: count }, (_, i) => random(seed, `${name} ${i}`).normals(of.size))
}

async function productsOf(of: Operator, vectors: readonly Vector[]): Promise<Vector[]> {
  const found: Vector[] = []
  for (const v of vectors) found.push(await of.apply(v))
  return found
}

/** An orthonormal basis of what vectors span, in their order; those that lie in the span of earlier ones are left out. */
function orthonormal(vectors: readonly Vector[]): Vector[] {
  const basis: Vector[] = []
  for (const vector of vectors) {
    const rest = vector.slice()
    const length = norm(rest)
    for (let pass = 0; pass < 2; pass++) for (const q of basis) addScaled(rest, -dot(rest, q), q)
    const left = norm(rest)
    if (left > 1e-12 * length) basis.push(scaled(1 / left, rest))
  }
  return basis
}

/** aᵢ·bₖ */
function gram(a: readonly Vector[], b: readonly Vector[]): Matrix {
  return new Matrix(a.map((x) => b.map((y) => dot(x, y))))
}

function columnsNormalised(matrix: Matrix): Matrix {
  for (let k = 0; k < matrix.columns; k++) {
    const column = matrix.getColumnVector(k)
    matrix.setColumn(k, column.mul(1 / column.norm()))
  }
  return matrix
}

function atLeast(name: string, products: number, least: number): void {
  if (!(Number.isInteger(products) && products >= least))
    throw new UserError(`${name}: products must be a whole number of ${least} or more, got ${products}; take more`)
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, x) => sum + x, 0) / numbers.length
}

function errorOfMean(numbers: readonly number[]): number {
  const middle = mean(numbers)
  const squares = numbers.reduce((sum, x) => sum + (x - middle) ** 2, 0)
  return numbers.length > 1 ? Math.sqrt(squares / (numbers.length - 1) / numbers.length) : Number.NaN
}
