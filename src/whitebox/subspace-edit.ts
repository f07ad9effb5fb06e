import { type EditFile, editTarget, makeEdit, readEdit } from '../checkpoints/index.ts'
import { UserError } from '../graph/errors.ts'
import { type Tensor, tensor } from '../graph/index.ts'
import type { Model } from '../policy/index.ts'
import type { Basis } from './subspace.ts'

/** A subspace of a tap, with what lies in it on average. */
export interface Subspace {
  readonly tap: string
  readonly basis: Basis
  readonly mean: ArrayLike<number>
}

/**
 * A subspace as an edit, x − Rᵀ·R(x − mean): under it what the subspace carries is held at its mean, at every token. The file has the rows of R as `basis`.
 *
 * throws  UserError for a subspace of no dimension
 */
export function holding(
  name: string,
  { config, hash }: Pick<Model, 'config' | 'hash'>,
  { tap, basis, mean }: Subspace,
  told: Pick<EditFile, 'made' | 'measured' | 'about'> = {},
): EditFile {
  const [k, d] = [basis.length, mean.length]
  if (k === 0) throw new UserError(`${name}: a subspace must have a dimension or more, got none; fit one`)
  const write = Float32Array.from({ length: d * k }, (_, i) => basis[i % k]![Math.floor(i / k)]!)
  return makeEdit({
    name,
    for: editTarget(config, hash),
    acts: [{ kind: 'affine', at: [tap], read: 'basis', write: 'write', mean: 'mean' }],
    tensors: {
      basis: tensor(Float32Array.from(basis.flatMap((row) => [...row])), [k, d]),
      write: tensor(write, [d, k]),
      mean: tensor(Float32Array.from(mean), [d]),
    },
    ...told,
  })
}

/**
 * Reads a subspace from the edit that holds it.
 *
 * throws  UserError for an edit that is not one
 */
export async function loadSubspace(file: string): Promise<Subspace> {
  const { acts, tensors } = await readEdit(file)
  const [act, ...more] = acts
  if (act?.kind !== 'affine' || act.read !== 'basis' || act.at.length !== 1 || more.length > 0)
    throw new UserError(`${file}: must be the edit of a subspace, got one that does something else; innate read das --to writes one`)
  const rows = tensors.basis as Tensor
  const [k, d] = rows.shape as [number, number]
  const basis = Array.from({ length: k }, (_, j) => Float64Array.from(rows.data.slice(j * d, (j + 1) * d)))
  return { tap: act.at[0]!, basis, mean: tensors.mean!.data }
}
