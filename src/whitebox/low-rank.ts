import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import type { DecoderConfig } from '../models/config.ts'
import { linearLayers } from '../models/lora.ts'
import { decoderParams } from '../models/params.ts'
import { random } from '../random/index.ts'

/** The parameters that adapters are on: linear layers of the blocks. */
export function adapterPaths(config: DecoderConfig): Set<string> {
  const paths = new Set<string>()
  const ends = Object.values(linearLayers).map(({ path }) => `.${path}`)
  decoderParams(config, (path, shape) => {
    if (shape.length === 2 && ends.some((end) => path.endsWith(end))) paths.add(path)
  })
  return paths
}

/** Factors b [rows, rank] and a [rank, columns], and ‖δ − b·a‖². */
export interface Factors {
  readonly a: Float32Array
  readonly b: Float32Array
  readonly lost: number
}

const spare = 8
const rounds = 12

/**
 * The nearest matrix of a rank, as two factors: b has the directions of rows of the largest singular values, a orthonormal ones of columns or
 * the other way round, whichever side is narrower. By subspace iteration; where the rank is that of the matrix, exact but for f32.
 *
 * source  Halko, Martinsson and Tropp 2011, arXiv:0909.4061, section 4.5
 */
export function lowRank(delta: Float64Array, [rows, columns]: readonly [number, number], rank: number): Factors {
  const narrow = Math.min(rows, columns)
  const d = Matrix.from1DArray(rows, columns, delta)
  // Tall, so that the space that is searched is that of the narrower side.
  const tall = rows >= columns ? d : d.transpose()
  const kept = Math.min(rank, narrow)
  const basis = kept === narrow ? Matrix.eye(narrow) : largest(tall, kept)
  const other = tall.mmul(basis)
  const lost = Math.max(0, tall.norm() ** 2 - other.norm() ** 2)
  const [left, right] = rows >= columns ? [other, basis] : [basis, other]
  const [a, b] = [new Float32Array(rank * columns), new Float32Array(rows * rank)]
  for (let k = 0; k < kept; k++) {
    for (let c = 0; c < columns; c++) a[k * columns + c] = right.get(c, k)
    for (let r = 0; r < rows; r++) b[r * rank + k] = left.get(r, k)
  }
  return { a, b, lost: kept === narrow ? 0 : lost }
}

/** Orthonormal directions [narrow, kept] of the largest singular values of a tall matrix. */
function largest(tall: Matrix, kept: number): Matrix {
  const width = Math.min(tall.columns, kept + spare)
  let basis = orthonormal(Matrix.from1DArray(tall.columns, width, random(0, 'low rank').normals(tall.columns * width)))
  const across = tall.transpose()
  for (let round = 0; round < rounds; round++) basis = orthonormal(across.mmul(tall.mmul(basis)))
  const seen = tall.mmul(basis)
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(seen.transpose().mmul(seen), { assumeSymmetric: true })
  const order = realEigenvalues.map((_, i) => i).sort((i, j) => realEigenvalues[j]! - realEigenvalues[i]!)
  return basis.mmul(eigenvectorMatrix.subMatrixColumn(order.slice(0, kept)))
}

/** Gram-Schmidt, twice over, as once leaves what rounding left. */
function orthonormal(m: Matrix): Matrix {
  const columns = Array.from({ length: m.columns }, (_, k) => Float64Array.from(m.getColumn(k)))
  for (const [k, v] of columns.entries()) {
    for (let pass = 0; pass < 2; pass++)
      for (const u of columns.slice(0, k)) {
        let along = 0
        for (let i = 0; i < v.length; i++) along += u[i]! * v[i]!
        for (let i = 0; i < v.length; i++) v[i]! -= along * u[i]!
      }
    const length = Math.hypot(...v)
    for (let i = 0; i < v.length; i++) v[i]! /= length || 1
  }
  const out = new Matrix(m.rows, m.columns)
  for (const [k, v] of columns.entries()) out.setColumn(k, [...v])
  return out
}
