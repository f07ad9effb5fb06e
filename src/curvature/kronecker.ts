import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import { type Tensor, tensor, UserError } from '../graph/index.ts'
import type { ByParameter } from './risk.ts'

/** A side longer than this keeps its own coordinates: its factor would not fit. */
const longest = 1024

/**
 * (F + damping)⁻¹ · v for the empirical Fisher F of gradients of single examples, each parameter by itself: a matrix in the eigenvectors of its
 * two Kronecker factors Σ G·Gᵀ and Σ Gᵀ·G, where F is taken as diagonal with the mean squares that the gradients have there; any other
 * parameter as diagonal as it stands.
 *
 * shape   v and the result as one of the gradients
 * units   damping in those of F: of a squared gradient
 * limits  a side of more than 1024 keeps its own coordinates; what two parameters have in common is left out
 * throws  UserError without gradients, and for a damping that is not above 0
 * source  George et al. 2018, arXiv:1806.03884; Grosse et al. 2023, arXiv:2308.03296
 */
export function kroneckerInverse(gradients: readonly ByParameter[], damping: number): (v: ByParameter) => ByParameter {
  const [first] = gradients
  if (!first) throw new UserError('kroneckerInverse: must have the gradient of an example, got none; give the examples of the risk')
  if (!(damping > 0)) throw new UserError(`kroneckerInverse: damping must be above 0, got ${damping}; without it F has no inverse`)
  const solvers = Object.fromEntries(
    Object.keys(first).map((name) => {
      const own = gradients.map((gradient) => gradient[name]!)
      return [name, first[name]!.shape.length === 2 ? inFactors(own, damping) : byEntry(own, damping)]
    }),
  )
  return (v) => Object.fromEntries(Object.entries(v).map(([name, value]) => [name, solvers[name]!(value)]))
}

type Solve = (v: Tensor) => Tensor

function byEntry(gradients: readonly Tensor[], damping: number): Solve {
  const squares = new Float64Array(gradients[0]!.data.length)
  for (const { data } of gradients) for (let i = 0; i < squares.length; i++) squares[i]! += data[i]! ** 2 / gradients.length
  return ({ data, shape }) =>
    tensor(
      Float64Array.from(data, (x, i) => x / (squares[i]! + damping)),
      shape,
    )
}

function inFactors(gradients: readonly Tensor[], damping: number): Solve {
  const all = gradients.map(matrixOf)
  const left = eigenvectors(all, (g) => g.mmul(g.transpose()), all[0]!.rows)
  const right = eigenvectors(all, (g) => g.transpose().mmul(g), all[0]!.columns)
  const turned = (g: Matrix) => turn(g, left, right)
  const squares = Matrix.zeros(all[0]!.rows, all[0]!.columns)
  for (const g of all) squares.add(turned(g).pow(2).div(all.length))
  return (v) => {
    const solved = turned(matrixOf(v)).div(squares.clone().add(damping))
    return tensor(Float64Array.from(turn(solved, left?.transpose(), right?.transpose()).to1DArray()), v.shape)
  }
}

/** leftᵀ · g · right; a side without eigenvectors stays. */
function turn(g: Matrix, left: Matrix | undefined, right: Matrix | undefined): Matrix {
  const half = left ? left.transpose().mmul(g) : g.clone()
  return right ? half.mmul(right) : half
}

function eigenvectors(all: readonly Matrix[], product: (g: Matrix) => Matrix, side: number): Matrix | undefined {
  if (side > longest) return undefined
  const factor = Matrix.zeros(side, side)
  for (const g of all) factor.add(product(g))
  const most = Math.max(factor.max(), -factor.min())
  // Numbers that far below the others are rounding, and the decomposition is not made for them.
  const size = (x: number) => (Math.abs(x) < 1e-30 * most ? 0 : x / most)
  for (let i = 0; i < side; i++) for (let j = 0; j < side; j++) factor.set(i, j, most > 1e-200 ? size(factor.get(i, j)) : 0)
  return new EigenvalueDecomposition(factor, { assumeSymmetric: true }).eigenvectorMatrix
}

function matrixOf({ data, shape }: Tensor): Matrix {
  return Matrix.from1DArray(shape[0]!, shape[1]!, data as Float32Array)
}
