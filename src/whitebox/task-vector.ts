import { type Checkpoint, type EditFile, editTarget, makeEdit } from '../checkpoints/index.ts'
import { isTensor, leaves, sameShape, type Tensor, tensor, UserError } from '../graph/index.ts'
import type { Adapters } from '../models/adapters.ts'
import { adapterPaths, lowRank } from './low-rank.ts'

type Model = Pick<Checkpoint, 'name' | 'config' | 'params' | 'hash'>

/** By parameter, in which two models differ: θ_tuned − θ_base, exact in f64. */
function differences(base: Model, tuned: Model): [path: string, from: Tensor, to: Tensor][] {
  const [{ base: _, ...a }, { base: __, ...b }] = [editTarget(base.config), editTarget(tuned.config)]
  const other = (Object.keys(a) as (keyof typeof a)[]).find((key) => a[key] !== b[key])
  if (other !== undefined)
    throw new UserError(
      `${tuned.name}: must be tuned from ${base.name}, ${other} ${a[other]}, got a model of ${other} ${b[other]}; name the model it was tuned from`,
    )
  const to = new Map(leaves(tuned.params, isTensor))
  const all = [...leaves(base.params, isTensor)].map(([path, from]): [string, Tensor, Tensor | undefined] => [path, from, to.get(path)])
  const lacking = all.find(([, from, to]) => !to || !sameShape(from.shape, to.shape))
  if (lacking || to.size !== all.length)
    throw new UserError(
      `${tuned.name}: must have the parameters of ${base.name}, got another ${lacking?.[0] ?? 'head'}; one of them has a head of its own`,
    )
  const differing = (all as [string, Tensor, Tensor][]).filter(([, from, to]) => from.data.some((x, i) => x !== to.data[i]))
  if (differing.length === 0)
    throw new UserError(`${tuned.name}: must differ from ${base.name} to make a task vector, got the same weights; name another`)
  return differing
}

/**
 * What fine-tuning changed, as an edit: scale · (θ_tuned − θ_base). At scale 1 the base under it is the tuned model bit for bit: where the
 * nearest f32 difference does not lead there, a second act adds what is left.
 *
 * throws  UserError for models of different architectures, and for equal ones
 * units   `measured` has the norm, Frobenius over all weights
 * source  Ilharco et al. 2022, arXiv:2212.04089
 */
export function taskVector(base: Model, tuned: Model, { name, scale = 1 }: { readonly name: string; readonly scale?: number }): EditFile {
  const tensors: Record<string, Tensor> = {}
  const [first, rest]: Record<string, string>[] = [{}, {}]
  let square = 0
  for (const [path, { data: from, shape }, { data: to }] of differences(base, tuned)) {
    const delta = Float32Array.from(to, (x, i) => x - from[i]!)
    for (let i = 0; i < to.length; i++) square += (to[i]! - from[i]!) ** 2
    const left = Float32Array.from(to, (x, i) => x - Math.fround(from[i]! + delta[i]!))
    first![path] = path
    tensors[path] = tensor(delta, shape)
    if (left.every((x) => x === 0)) continue
    rest![path] = `${path}.rest`
    tensors[`${path}.rest`] = tensor(left, shape)
  }
  const acts = [first!, rest!].filter((one) => Object.keys(one).length > 0).map((weights) => ({ kind: 'delta' as const, weights, scale }))
  return makeEdit({
    name,
    about: `${scale} · (${tuned.name} − ${base.name})`,
    for: editTarget(base.config, base.hash),
    acts,
    tensors,
    measured: [{ norm: Math.abs(scale) * Math.sqrt(square) }],
    made: { by: 'edit task', base: base.name, tuned: tuned.name, scale },
  })
}

/** A task vector as an adapter. */
export interface ExtractedAdapter {
  readonly adapters: Adapters<Tensor>
  /** ‖δ − b·a‖² / ‖δ‖² of the layers that have an adapter. */
  readonly lost: number
  /** The share of ‖δ‖² that lies in parameters an adapter cannot change: embedding, norms, biases. */
  readonly outside: number
}

/**
 * The nearest adapter of a rank to what fine-tuning changed: scale · δ of each linear layer of the blocks, cut to its largest singular values.
 *
 * throws  UserError as taskVector, for a rank no layer has, and where no linear layer of a block differs
 * source  Eckart and Young 1936
 */
export function extractAdapter(
  base: Model,
  tuned: Model,
  { rank, scale = 1 }: { readonly rank: number; readonly scale?: number },
): ExtractedAdapter {
  const wanted = adapterPaths(base.config)
  const most = Math.max(
    ...[...leaves(base.params, isTensor)].filter(([path]) => wanted.has(path)).map(([, { shape }]) => Math.min(...shape)),
  )
  if (rank > most) throw new UserError(`edit task --rank: must be at most ${most}, the rank of a whole layer, got ${rank}; take less`)
  const layers: Record<string, { a: Tensor; b: Tensor }> = {}
  let [inside, outside, lost] = [0, 0, 0]
  for (const [path, { data: from, shape }, { data: to }] of differences(base, tuned)) {
    const delta = Float64Array.from(to, (x, i) => scale * (x - from[i]!))
    const square = delta.reduce((sum, x) => sum + x * x, 0)
    if (!wanted.has(path)) {
      outside += square
      continue
    }
    const found = lowRank(delta, shape as [number, number], rank)
    layers[path] = { a: tensor(found.a, [rank, shape[1]!]), b: tensor(found.b, [shape[0]!, rank]) }
    inside += square
    lost += found.lost
  }
  if (inside === 0)
    throw new UserError(
      `${tuned.name}: must differ from ${base.name} in a linear layer of a block, got none; write the difference as an edit`,
    )
  return { adapters: { scale: 1, layers }, lost: lost / inside, outside: outside / (inside + outside) }
}
