import { closestMatch } from 'leven'
import { isLazy, lazyTensor } from '../files/lazy-tensor.ts'
import { isTensor, leaves, mapNested, type Tensor, tensor, UserError, zeros } from '../graph/index.ts'
import { random } from '../random/index.ts'
import type { Adapter, Adapters } from './adapters.ts'
import type { DecoderConfig } from './config.ts'
import { type DecoderParams, decoderParams } from './params.ts'

/** Linear layers that can have adapters: the last part of their path and their name in transformers. */
export const linearLayers = {
  q: { path: 'attn.q', name: 'self_attn.q_proj' },
  k: { path: 'attn.k', name: 'self_attn.k_proj' },
  v: { path: 'attn.v', name: 'self_attn.v_proj' },
  o: { path: 'attn.o', name: 'self_attn.o_proj' },
  gate: { path: 'mlp.gate', name: 'mlp.gate_proj' },
  up: { path: 'mlp.up', name: 'mlp.up_proj' },
  down: { path: 'mlp.down', name: 'mlp.down_proj' },
} as const

export interface Lora {
  /** Inner width of each adapter. */
  readonly rank: number
  /** What an adapter adds is multiplied by alpha / rank. */
  readonly alpha: number
  /** Which linear layers of a block: q, k, v, o, gate, up, down. Default: all. */
  readonly targets?: readonly string[]
  /** Which blocks, counted from 0. Default: all. What lies below the lowest costs no gradient. */
  readonly layers?: readonly number[]
  /** Share of an adapter's inputs that a training step drops. Default 0. */
  readonly dropout?: number
  /** Multiply by alpha / √rank instead, so that a higher rank does not learn more slowly. */
  readonly rslora?: boolean
  /** Train the norm of each of the layer's rows apart from its direction. */
  readonly dora?: boolean
  /** The parameters that get one, by name with `*` for a part, such as `blocks.*.mlp.down`, in the place of targets and layers. */
  readonly sites?: readonly string[]
  readonly seed: number
}

/**
 * Adapters that change nothing yet: A uniform in ±1/√in, B zero, magnitudes the row norms of the weights (DoRA alone reads them).
 *
 * shape   a f32[rank, in], b f32[out, rank], magnitude f32[out] for a layer f32[out, in]
 * throws  UserError for a rank, alpha, target, block or dropout that cannot be
 * source  Hu et al. 2021, arXiv:2106.09685; initialised as PEFT does (Kaiming-uniform with a = √5); rank-stabilised: Kalajdzievski 2023,
 *         arXiv:2312.03732; DoRA: Liu et al. 2024, arXiv:2402.09353
 */
export function freshAdapters(config: DecoderConfig, lora: Lora, params?: DecoderParams<Tensor>): Adapters<Tensor> {
  checkLora(lora, config)
  const { rank, alpha, targets = Object.keys(linearLayers), layers: blocks, sites, dropout = 0, rslora = false, dora = false, seed } = lora
  const inBlock = new Set(targets.map((target) => linearLayers[target as keyof typeof linearLayers].path as string))
  const layers: Record<string, Adapter<Tensor>> = {}
  const weights = new Map(dora && params ? leaves(params, isTensor) : [])
  decoderParams(config, (path, [out, width]) => {
    const [, block, inner] = /^blocks\.(\d+)\.(.+)$/.exec(path) ?? []
    if (inner === undefined || !inBlock.has(inner)) return
    if (blocks && !blocks.includes(Number(block))) return
    if (sites && !sites.some((site) => fits(site, path))) return
    const { uniform } = random(seed, `lora/${path}`)
    const a = Float32Array.from(
      { length: rank * width! },
      (_, i) => (2 * uniform(Math.floor(i / width!), i % width!) - 1) / Math.sqrt(width!),
    )
    const norms = () => Float32Array.from(rowNorms(weights.get(path)!.data, out!))
    const magnitude = dora ? { magnitude: tensor(norms(), [out!]) } : {}
    layers[path] = { a: tensor(a, [rank, width!]), b: zeros([out!, rank]), ...magnitude }
  })
  const missed = sites?.find((site) => !Object.keys(layers).some((path) => fits(site, path)))
  if (missed !== undefined) throw noSite(missed, config)
  const scale = alpha / (rslora ? Math.sqrt(rank) : rank)
  return { scale, layers, ...(rslora ? { rslora } : {}), ...(dropout > 0 ? { dropout } : {}) }
}

/** Whether a name with `*` for a part is that of a parameter. */
function fits(site: string, path: string): boolean {
  const [parts, of] = [site.split('.'), path.split('.')]
  return parts.length === of.length && parts.every((part, i) => part === '*' || part === of[i])
}

function noSite(site: string, { layers, gated }: DecoderConfig): UserError {
  const all = Object.entries(linearLayers).flatMap(([name, { path }]) => (gated === false && name === 'gate' ? [] : [`blocks.*.${path}`]))
  const near = closestMatch(site.replace(/^blocks\.\d+\./, 'blocks.*.'), all, { maxDistance: 4 })
  const remedy =
    near && near.split('.').slice(2).join() !== site.split('.').slice(2).join()
      ? `did you mean ${near}?`
      : `blocks are numbered from 0 to ${layers - 1}`
  return new UserError(
    `edit.sites: must name matrices of blocks (${all.join(', ')}), got ${JSON.stringify(site)}; ${near ? remedy : 'choose from these'}`,
  )
}

function checkLora({ rank, alpha, targets = ['q'], layers: blocks, dropout = 0 }: Lora, { layers, family, gated }: DecoderConfig) {
  if (!Number.isInteger(rank) || rank < 1)
    throw new UserError(`lora.rank: must be a whole number from 1 on, got ${rank}; 8 is a common choice`)
  if (!(alpha > 0 && Number.isFinite(alpha)))
    throw new UserError(`lora.alpha: must be above 0, got ${alpha}; twice the rank is a common choice`)
  const known = Object.keys(linearLayers).join(', ')
  const strange = targets.find((target) => !Object.hasOwn(linearLayers, target))
  if (strange !== undefined || targets.length === 0)
    throw new UserError(
      `lora.targets: must name some of ${known}, got ${strange === undefined ? 'none' : JSON.stringify(strange)}; leave it out for all`,
    )
  if (gated === false && targets.includes('gate'))
    throw new UserError(`lora.targets: must name layers that the model has, got "gate" for a ${family}, which has none; leave it out`)
  const outside = blocks?.find((block) => !(Number.isInteger(block) && block >= 0 && block < layers))
  if (outside !== undefined || blocks?.length === 0)
    throw new UserError(`lora.layers: must name blocks from 0 to ${layers - 1}, got ${outside ?? 'none'}; leave it out for all`)
  if (!(dropout >= 0 && dropout < 1))
    throw new UserError(`lora.dropout: must be from 0 to below 1, got ${dropout}; 0.05 is a common choice`)
}

/** The parameters with their adapters built in: W + scale · B·A (DoRA: times magnitude / row norm), in f64; the rest are the same tensors. */
export function mergeAdapters(params: DecoderParams<Tensor>, adapters: Adapters<Tensor>): DecoderParams<Tensor> {
  return changed(params, adapters, (weight, layer) => {
    const whole = plus(weight.data, layer, adapters.scale)
    const { magnitude } = layer
    if (!magnitude) return whole
    const norms = rowNorms(whole, magnitude.data.length)
    return timesRows(whole, (o) => magnitude.data[o]! / norms[o]!, magnitude.data.length)
  })
}

/**
 * The parameters that mergeAdapters made these from; DoRA needs the row norms that merging took away (adaptedNorms).
 *
 * throws  UserError for a magnitude without its norms
 * limits  as exact as f32: to about 1e-7 of a row's largest entry
 */
export function unmergeAdapters(
  merged: DecoderParams<Tensor>,
  adapters: Adapters<Tensor>,
  norms: Readonly<Record<string, Float64Array>> = {},
): DecoderParams<Tensor> {
  return changed(merged, adapters, ({ data }, layer, path) => {
    const { magnitude } = layer
    if (!magnitude) return plus(data, layer, -adapters.scale)
    const norm = norms[path]
    if (!norm) throw new UserError(`unmerge: ${path} must come with its row norms, got a magnitude alone; take adaptedNorms before merging`)
    return plus(
      timesRows(data, (o) => norm[o]! / magnitude.data[o]!, norm.length),
      layer,
      -adapters.scale,
    )
  })
}

/** ‖W + scale · B·A‖ by rows, of each layer with a magnitude. */
export function adaptedNorms(params: DecoderParams<Tensor>, adapters: Adapters<Tensor>): Record<string, Float64Array> {
  const found: Record<string, Float64Array> = {}
  changed(params, adapters, ({ data, shape }, layer, path) => {
    if (layer.magnitude) found[path] = rowNorms(plus(data, layer, adapters.scale), shape[0]!)
    return data
  })
  return found
}

/** The parameters with another matrix in the place of each that has an adapter. */
function changed(
  params: DecoderParams<Tensor>,
  { layers }: Adapters<Tensor>,
  change: (weight: Tensor, layer: Adapter<Tensor>, path: string) => ArrayLike<number>,
): DecoderParams<Tensor> {
  const at = (weight: Tensor, path: string) => {
    const layer = layers[path]
    if (!layer) return weight
    if (isLazy(weight)) return lazyTensor(weight.shape, (into) => into.set(change(weight, layer, path)))
    return tensor(Float32Array.from(change(weight, layer, path)), weight.shape)
  }
  return mapNested(params, isTensor, at) as DecoderParams<Tensor>
}

function plus(weight: ArrayLike<number>, { a, b }: Adapter<Tensor>, scale: number): Float64Array {
  const [rank, width] = a.shape as [number, number]
  const whole = Float64Array.from(weight)
  for (let o = 0; o * width < whole.length; o++) {
    const row = whole.subarray(o * width, (o + 1) * width)
    for (let r = 0; r < rank; r++) {
      const factor = scale * b.data[o * rank + r]!
      for (let i = 0; i < width; i++) row[i]! += factor * a.data[r * width + i]!
    }
  }
  return whole
}

function rowNorms(matrix: ArrayLike<number>, rows: number): Float64Array {
  const width = matrix.length / rows
  const squares = new Float64Array(rows)
  for (let i = 0; i < matrix.length; i++) squares[Math.floor(i / width)]! += matrix[i]! ** 2
  return squares.map(Math.sqrt)
}

function timesRows(matrix: ArrayLike<number>, factor: (row: number) => number, rows: number): Float64Array {
  const width = matrix.length / rows
  return Float64Array.from(matrix, (x, i) => x * factor(Math.floor(i / width)))
}
