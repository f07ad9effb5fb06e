import { UserError } from '../graph/errors.ts'
import { type Shape, sameShape, type Tensor } from '../graph/tensor.ts'
import type { DecoderConfig } from '../models/config.ts'
import { decoderParams } from '../models/params.ts'
import { tapOf, tapsNamed } from '../models/taps.ts'
import { type ActivationAct, type EditFile, editTarget, isOfWeights, type WeightAct } from './edit-file.ts'

/** The model that edits are held against. */
export interface EditedModel {
  readonly name: string
  readonly config: DecoderConfig
  /** Every sha256 that an edit may have as its base. */
  readonly hashes: readonly string[]
}

/**
 * Checks that an edit can be done to a model: its architecture, its weights, and that taps, parameters and widths fit.
 *
 * throws  UserError, one for each of these
 */
export function checkEdit(edit: EditFile, { name, config, hashes }: EditedModel): void {
  const { base, ...wanted } = edit.for
  const { base: _, ...here } = editTarget(config)
  const differing = (Object.keys(here) as (keyof typeof here)[]).find((key) => here[key] !== wanted[key])
  if (differing !== undefined)
    throw new UserError(
      `${edit.name}: an edit must be for the architecture of ${name}, ${differing} ${here[differing]}, got one for ${differing} ${wanted[differing]}; make it with this model`,
    )
  if (base !== undefined && !hashes.includes(base))
    throw new UserError(
      `${edit.name}: an edit must be made for the weights of ${name}, sha256 ${short(hashes.at(-1)!)}, got one for ${short(base)}; make it with this model`,
    )
  for (const act of edit.acts) {
    if (isOfWeights(act)) checkWeights(edit, act, config)
    else checkActivation(edit, act, config)
  }
}

function checkWeights(edit: EditFile, act: WeightAct, config: DecoderConfig): void {
  const shapeOf = (key: string) => edit.tensors[key]!.shape
  const shapes = paramShapes(config)
  for (const [path, source] of Object.entries<string | { up: string; down: string }>(act.weights)) {
    const untied = path === 'head' && config.tied && act.kind === 'set'
    const wanted = untied ? shapes.get('embed') : shapes.get(path)
    if (!wanted) throw new UserError(`${edit.name}: ${act.kind} must name parameters of the model, got ${path}; make it with this model`)
    const got: Shape = typeof source === 'string' ? shapeOf(source) : [shapeOf(source.up)[0]!, ...shapeOf(source.down).slice(1)]
    const inner = typeof source === 'string' || (shapeOf(source.up).length === 2 && shapeOf(source.up)[1] === shapeOf(source.down)[0])
    if (!inner || !sameShape(got, wanted))
      throw new UserError(`${edit.name}: ${path} must be f32[${wanted.join(', ')}], got f32[${got.join(', ')}]; make it with this model`)
  }
}

function checkActivation(edit: EditFile, act: ActivationAct, config: DecoderConfig): void {
  for (const tap of tapsNamed(edit.name, act.at, config)) {
    const vectors = vectorsAt(tap, config)
    if (vectors === undefined)
      throw new UserError(
        `${edit.name}: an edit in a file must act on vectors of tokens or of their heads, got ${tap}, ${tapOf(tap)!.shape}; name another tap, or write the edit as a function`,
      )
    const { width: w, heads } = vectors
    const strange = act.heads?.find((head) => head >= (heads ?? 0))
    if (strange !== undefined)
      throw new UserError(
        heads === undefined
          ? `${edit.name}: heads can be named at taps of heads alone, got heads at ${tap}; leave them out, or act at attn.z`
          : `${edit.name}: heads at ${tap} are numbered from 0 to ${heads - 1}, got ${strange}; make it with this model`,
      )
    const must = (key: string, holds: (shape: Shape) => boolean, wanted: string) => {
      const { shape, data } = edit.tensors[key]!
      if (!holds(shape))
        throw new UserError(`${edit.name}: ${key} must be ${wanted} at ${tap}, got f32[${shape.join(', ')}]; make it with this model`)
      if (act.kind !== 'add' && key === ('direction' in act ? act.direction : undefined) && lengthOf(data) === 0)
        throw new UserError(`${edit.name}: ${key} must have a length to ${act.kind} along it, got zeros; make it anew`)
    }
    const rows = (shape: Shape) => shape.length <= 2 && shape.at(-1) === w
    if (act.kind === 'affine') {
      const k = edit.tensors[act.read]!.shape[0]!
      must(act.read, (shape) => sameShape(shape, [k, w]), `f32[k, ${w}]`)
      must(act.write, (shape) => sameShape(shape, [w, k]), `f32[${w}, ${k}]`)
      must(act.mean, (shape) => sameShape(shape, [w]), `f32[${w}]`)
    } else if (act.kind === 'patch') must(act.value, rows, `f32[${w}], or f32[n, ${w}]`)
    else if (act.kind === 'add') must(act.direction, rows, `f32[${w}], or f32[n, ${w}]`)
    else must(act.direction, (shape) => sameShape(shape, [w]), `f32[${w}]`)
  }
}

/** How wide the vectors at a tap are, and of how many heads each token has one; undefined where it holds no vectors of a width of their own. */
export function vectorsAt(tap: string, config: DecoderConfig): { readonly width: number; readonly heads?: number } | undefined {
  const { hiddenSize, intermediateSize, headDim, heads, kvHeads } = config
  return {
    '[R, T, d]': { width: hiddenSize },
    '[R, T, f]': { width: intermediateSize },
    '[R, heads, T, headDim]': { width: headDim, heads },
    '[R, kvHeads, T, headDim]': { width: headDim, heads: kvHeads },
  }[tapOf(tap)!.shape]
}

/** The shape of every parameter, by path. */
export function paramShapes(config: DecoderConfig): ReadonlyMap<string, Shape> {
  const shapes = new Map<string, Shape>()
  decoderParams(config, (path, shape) => shapes.set(path, shape))
  return shapes
}

function lengthOf(data: Tensor['data']): number {
  let sum = 0
  for (const x of data) sum += x * x
  return Math.sqrt(sum)
}

function short(hash: string): string {
  return `${hash.slice(0, 12)}…`
}
