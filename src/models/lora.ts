import { mapNested, type Nested, type Tensor, tensor, UserError, zeros } from '../graph/index.ts'
import type { DecoderConfig } from './config.ts'
import type { Adapters } from './decoder.ts'
import { type DecoderParams, decoderParams } from './params.ts'
import { uniform } from './uniform.ts'

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
  /** Which linear layers of every block: q, k, v, o, gate, up, down. Default: all. */
  readonly targets?: readonly string[]
  readonly seed: number
}

/**
 * Adapters that change nothing yet: A uniform in ±1/√in, B zero.
 *
 * shape   a f32[rank, in], b f32[out, rank] for a layer f32[out, in]
 * throws  UserError for a rank, alpha or target that cannot be
 * source  Hu et al. 2021, arXiv:2106.09685; initialised as PEFT does (Kaiming-uniform with a = √5)
 */
export function freshAdapters(config: DecoderConfig, { rank, alpha, targets = Object.keys(linearLayers), seed }: Lora): Adapters<Tensor> {
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

  const wanted = new Set(targets.map((target) => linearLayers[target as keyof typeof linearLayers].path as string))
  const layers: Record<string, { a: Tensor; b: Tensor }> = {}
  decoderParams(config, (_, [out, width], path) => {
    if (!wanted.has(path.replace(/^blocks\.\d+\./, ''))) return
    const layer = Object.keys(layers).length
    const a = Float32Array.from(
      { length: rank * width! },
      (_, i) => (2 * uniform(seed, layer, Math.floor(i / width!), i % width!) - 1) / Math.sqrt(width!),
    )
    layers[path] = { a: tensor(a, [rank, width!]), b: zeros([out!, rank]) }
  })
  return { scale: alpha / rank, layers }
}

/** The parameters with their adapters built in: W + scale · B·A, added up in f64; what has no adapter is the same tensor. */
export function mergeAdapters(params: DecoderParams<Tensor>, { scale, layers }: Adapters<Tensor>): DecoderParams<Tensor> {
  const isTensor = (x: Nested<Tensor>): x is Tensor => 'data' in x && ArrayBuffer.isView(x.data)
  const change = (weight: Tensor, path: string) => (layers[path] ? merged(weight, layers[path], scale) : weight)
  return mapNested(params as unknown as Nested<Tensor>, isTensor, change) as unknown as DecoderParams<Tensor>
}

function merged({ shape, data }: Tensor, { a, b }: { readonly a: Tensor; readonly b: Tensor }, scale: number): Tensor {
  const [out, width] = shape as [number, number]
  const rank = a.shape[0]!
  const row = new Float64Array(width)
  const sum = new Float32Array(data.length)
  for (let o = 0; o < out; o++) {
    row.fill(0)
    for (let r = 0; r < rank; r++) {
      const factor = b.data[o * rank + r]!
      for (let i = 0; i < width; i++) row[i]! += factor * a.data[r * width + i]!
    }
    for (let i = 0; i < width; i++) sum[o * width + i] = data[o * width + i]! + scale * row[i]!
  }
  return tensor(sum, shape)
}
