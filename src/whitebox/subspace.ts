import { UserError } from '../graph/errors.ts'
import { random } from '../random/index.ts'

/** A subspace of activations: k vectors of length 1 at right angles, the rows of R; none of them for the subspace that holds nothing. */
export type Basis = readonly Float64Array[]

/** The part of x that lies in the subspace: RᵀRx. */
export function projected(basis: Basis, x: ArrayLike<number>): Float64Array {
  const part = new Float64Array(x.length)
  for (const r of basis) {
    const along = dot(r, x)
    for (let i = 0; i < part.length; i++) part[i]! += along * r[i]!
  }
  return part
}

/** A subspace of k dimensions of d, drawn evenly. */
export function randomBasis(k: number, d: number, seed: number, name = 'subspace'): Basis {
  const drawn = Float64Array.from(random(seed, name).normals(k * d))
  return orthonormal(Array.from({ length: k }, (_, j) => drawn.slice(j * d, (j + 1) * d)))
}

/**
 * Vectors of length 1 at right angles that span what the given ones do, by Gram and Schmidt done twice: the QR retraction.
 *
 * throws  UserError when one lies in the span of those before it
 */
export function orthonormal(vectors: readonly ArrayLike<number>[]): Basis {
  const basis: Float64Array[] = []
  for (const vector of vectors) {
    const v = Float64Array.from(vector)
    const before = Math.sqrt(dot(v, v))
    for (let time = 0; time < 2; time++)
      for (const r of basis) {
        const along = dot(r, v)
        for (let i = 0; i < v.length; i++) v[i]! -= along * r[i]!
      }
    const length = Math.sqrt(dot(v, v))
    if (!(length > 1e-9 * before))
      throw new UserError(`subspace: its vectors must be independent, got one of ${vectors.length} that the others span; give others`)
    basis.push(v.map((x) => x / length))
  }
  return basis
}

/** What of a gradient turns the subspace and not only its basis: G − G RᵀR for the rows of G. */
export function turning(basis: Basis, gradient: readonly Float64Array[]): Float64Array[] {
  return gradient.map((g) => {
    const inside = projected(basis, g)
    return g.map((x, i) => x - inside[i]!)
  })
}

/** Σ aᵢbᵢ. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}
