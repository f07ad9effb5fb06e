import { CholeskyDecomposition, Matrix } from 'ml-matrix'
import { type Activations, meanOf } from './activations.ts'
import type { Linear } from './linear.ts'

/**
 * Ridge regression as a classifier: ±1 for each class (of two, for the second alone) by least squares with ½·l2·‖W‖², the bias not
 * penalised. It is solved in whichever of rows and columns there are fewer of.
 *
 * units   scores in label units, not log-odds
 * source  Hoerl and Kennard 1970; as scikit-learn 1.9 has it (RidgeClassifier with alpha = l2)
 */
export function ridge(x: Activations, labels: readonly number[], classes: number, { l2 = 1, counts }: RidgeOptions = {}): Linear {
  const outputs = classes === 2 ? 1 : classes
  const w = Float64Array.from({ length: x.n }, (_, i) => (counts ? counts[i]! : 1))
  const target = (i: number, c: number) => (labels[i] === (outputs === 1 ? 1 : c) ? 1 : -1)
  const total = w.reduce((a, b) => a + b, 0)
  const mean = meanOf(x, w)
  const middle = Array.from({ length: outputs }, (_, c) => w.reduce((sum, one, i) => sum + one * target(i, c), 0) / total)
  const root = w.map(Math.sqrt)
  const centred = new Matrix(x.n, x.d)
  for (let i = 0; i < x.n; i++) for (let k = 0; k < x.d; k++) centred.set(i, k, root[i]! * (x.data[i * x.d + k]! - mean[k]!))
  const wanted = new Matrix(x.n, outputs)
  for (let i = 0; i < x.n; i++) for (let c = 0; c < outputs; c++) wanted.set(i, c, root[i]! * (target(i, c) - middle[c]!))
  const across = centred.transpose()
  const weights = x.n < x.d ? across.mmul(solve(centred.mmul(across), l2, wanted)) : solve(across.mmul(centred), l2, across.mmul(wanted))
  const weight = Array.from({ length: outputs }, (_, c) => Float64Array.from(weights.getColumn(c)))
  return { weight, bias: weight.map((one, c) => middle[c]! - one.reduce((sum, v, k) => sum + v * mean[k]!, 0)) }
}

export interface RidgeOptions {
  /** Above 0. Default 1. */
  readonly l2?: number
  /** What each row counts. Default 1. */
  readonly counts?: ArrayLike<number>
}

function solve(squares: Matrix, l2: number, wanted: Matrix): Matrix {
  return new CholeskyDecomposition(squares.add(Matrix.eye(squares.rows).mul(l2))).solve(wanted)
}
