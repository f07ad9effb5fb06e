import {
  addRows,
  concat,
  constant,
  isValue,
  linear,
  logSumExp,
  mapNested,
  matmul,
  mean,
  tap as plainTap,
  reshape,
  type Shape,
  silu,
  sizeOf,
  slice,
  softmax,
  sqrt,
  stopGradient,
  sum,
  type Tap,
  table,
  takeRows,
  tensor,
  transpose,
  type Value,
} from '../graph/index.ts'
import type { DecoderConfig } from './config.ts'
import type { DecoderBlock, DecoderParams } from './params.ts'

/** What a decoder reads: see Rows. */
export interface DecoderInputs {
  readonly tokens: Value
  readonly positions: Value
  readonly mask: Value
}

/** Low-rank additions to linear layers, by path (`blocks.0.attn.q`): W becomes W + scale · b·a, with rows as long as `magnitude` says. */
export interface Adapters<T> {
  /** alpha / rank, or alpha / √rank where `rslora`. */
  readonly scale: number
  readonly rslora?: boolean
  /** Share of an adapter's inputs that training drops; see dropoutMasks. */
  readonly dropout?: number
  readonly layers: { readonly [path: string]: Adapter<T> }
  /** What each adapter's input [R, T, in] is multiplied by in a training step. */
  readonly masks?: { readonly [path: string]: T }
}

/** shape a [rank, in], b [out, rank], magnitude [out] (DoRA) for a layer [out, in] */
export interface Adapter<T> {
  readonly a: T
  readonly b: T
  readonly magnitude?: T
}

export interface DecoderOptions {
  /** Names values on the way, and may replace them. */
  readonly tap?: Tap
  readonly adapters?: Adapters<Value>
  /**
   * Tokens before these, one entry per block: keys [R, kvHeads, headDim, S], transposed so that no step turns them round, and values
   * [R, kvHeads, S, headDim]; `mask` says which of them a query may see.
   */
  readonly past?: { readonly blocks: readonly { readonly k: Value; readonly v: Value }[]; readonly mask: Value }
  /** Called with every block's new keys and values, for a cache. */
  readonly onKeysValues?: (block: number, k: Value, v: Value) => void
}

/**
 * The Llama decoder up to its last norm: a function of its parameters.
 *
 * Taps: embed, blocks.i.attn.{in,q,k,v,pattern,out}, blocks.i.mid, blocks.i.mlp.{in,act,out}, blocks.i.out, final.
 *
 * shape   tokens, positions i32[R, T], mask f32[R, 1, T, T] → f32[R, T, d]
 * source  Touvron et al. 2023, arXiv:2302.13971; grouped queries: Ainslie et al. 2023, arXiv:2305.13245
 */
export function decoder(params: DecoderParams<Value>, inputs: DecoderInputs, config: DecoderConfig, options: DecoderOptions = {}): Value {
  const tap = options.tap ?? plainTap
  const angles = rotations(inputs.positions, config)
  let x = tap('embed', takeRows(params.embed, inputs.tokens))
  params.blocks.forEach((block, i) => {
    const named: Tap = (name, value) => tap(`blocks.${i}.${name}`, value)
    const dense: Dense = (value, weight, path) => adapted(linear(value, weight), value, options.adapters, `blocks.${i}.${path}`, weight)
    const normed = named('attn.in', rmsNorm(x, block.attnNorm, config.normEps))
    x = named('mid', x.add(named('attn.out', attention(normed, block, i, angles, inputs.mask, config, options, named, dense))))
    const read = named('mlp.in', rmsNorm(x, block.mlpNorm, config.normEps))
    const act = named('mlp.act', silu(dense(read, block.mlp.gate, 'mlp.gate')).mul(dense(read, block.mlp.up, 'mlp.up')))
    x = named('out', x.add(named('mlp.out', dense(act, block.mlp.down, 'mlp.down'))))
  })
  return tap('final', rmsNorm(x, params.norm, config.normEps))
}

type Dense = (x: Value, weight: Value, path: string) => Value

function attention(
  x: Value,
  { attn }: DecoderBlock<Value>,
  block: number,
  angles: Angles,
  mask: Value,
  config: DecoderConfig,
  options: DecoderOptions,
  tap: Tap,
  dense: Dense,
): Value {
  const [R, T] = x.shape as [number, number]
  const { heads: H, kvHeads: KV, headDim } = config
  const split = (value: Value, n: number) => transpose(reshape(value, [R, T, n, headDim]), [0, 2, 1, 3])
  const q = tap('attn.q', rotate(split(dense(x, attn.q, 'attn.q'), H), angles))
  const k = tap('attn.k', rotate(split(dense(x, attn.k, 'attn.k'), KV), angles))
  const v = tap('attn.v', split(dense(x, attn.v, 'attn.v'), KV))
  options.onKeysValues?.(block, k, v)

  // The queries that share a key's head stand side by side, so grouped attention is one plain product.
  const grouped = reshape(q.mul(1 / Math.sqrt(headDim)), [R, KV, (H / KV) * T, headDim])
  const scores = (keysT: Value, bias: Value) => reshape(matmul(grouped, keysT), [R, H, T, keysT.shape[3]!]).add(bias)
  const past = options.past && { ...options.past.blocks[block]!, mask: options.past.mask }
  const fresh = scores(transpose(k), mask)
  const all = past ? concat([scores(past.k, past.mask), fresh], 3) : fresh
  const pattern = tap('attn.pattern', softmax(all))
  const weighted = (weights: Value, values: Value) => matmul(reshape(weights, [R, KV, (H / KV) * T, values.shape[2]!]), values)
  const S = past ? past.v.shape[2]! : 0
  const mixed = past ? weighted(slice(pattern, 3, 0, S), past.v).add(weighted(slice(pattern, 3, S, S + T), v)) : weighted(pattern, v)
  const joined = reshape(transpose(reshape(mixed, [R, H, T, headDim]), [0, 2, 1, 3]), [R, T, H * headDim])
  return dense(joined, attn.o, 'attn.o')
}

/**
 * A linear layer's output (before any bias) with its adapter: (x·Wᵀ + scale · x·aᵀ·bᵀ) · magnitude / ‖W + scale · b·a‖, row norms. What
 * dropout takes is taken from the adapter's input alone. As in PEFT the norm is a constant to the gradient.
 *
 * source  Hu et al. 2021, arXiv:2106.09685; DoRA: Liu et al. 2024, arXiv:2402.09353, equation 5 and section 4.3
 */
function adapted(y: Value, x: Value, adapters: Adapters<Value> | undefined, path: string, weight: Value): Value {
  const layer = adapters?.layers[path]
  if (!layer) return y
  const { a, b, magnitude } = layer
  const mask = adapters.masks?.[path]
  const read = mask ? x.mul(mask) : x
  const low = linear(linear(read, a), b).mul(adapters.scale)
  if (!magnitude) return y.add(low)
  const whole = weight.add(matmul(b, a).mul(adapters.scale))
  const longer = magnitude.div(stopGradient(sqrt(reshape(sum(whole.mul(whole), [-1]), magnitude.shape))))
  if (!mask) return y.add(low).mul(longer)
  const base = linear(read, weight)
  return y.sub(base).add(base.add(low).mul(longer))
}

/**
 * x over its root mean square, times a weight per channel.
 *
 * shape   x f32[…, d], weight f32[d] → f32[…, d]
 * source  Zhang & Sennrich 2019, arXiv:1910.07467
 */
export function rmsNorm(x: Value, weight: Value, eps: number): Value {
  const inverse = constant(1).div(sqrt(mean(x.mul(x), [-1]).add(eps)))
  return x.mul(inverse).mul(weight)
}

interface Angles {
  readonly cos: Value
  readonly sin: Value
}

/** Cosine and sine of position · theta^(−2i/headDim), f32[R, 1, T, headDim/2]. */
function rotations(positions: Value, { contextLength, headDim, ropeTheta }: DecoderConfig): Angles {
  const half = headDim / 2
  const angle = (i: number) => Math.floor(i / half) * ropeTheta ** (-(2 * (i % half)) / headDim)
  const make = (f: (x: number) => number) =>
    table(
      tensor(
        Float32Array.from({ length: contextLength * half }, (_, i) => f(angle(i))),
        [contextLength, half],
      ),
    )
  const at = (x: Value) => {
    const picked = takeRows(x, positions)
    return reshape(picked, [picked.shape[0]!, 1, ...picked.shape.slice(1)])
  }
  return { cos: at(make(Math.cos)), sin: at(make(Math.sin)) }
}

/** Turns each pair (x[i], x[i + headDim/2]) by the position's angle. */
function rotate(x: Value, { cos, sin }: Angles): Value {
  const n = x.shape.at(-1)!
  const [left, right] = [slice(x, -1, 0, n / 2), slice(x, -1, n / 2, n)]
  return concat([left.mul(cos).sub(right.mul(sin)), right.mul(cos).add(left.mul(sin))], -1)
}

/**
 * Log-probabilities of wanted next tokens, without ever holding more than [N, vocabulary]: logit of the target minus log Σ e^logit.
 *
 * shape   hidden f32[R, T, d], wanted i32[N] flat positions, targets i32[N] → f32[N], nats
 */
export function tokenLogps(params: DecoderParams<Value>, hidden: Value, wanted: Value, targets: Value): Value {
  const head = params.head ?? params.embed
  const at = takeRows(reshape(hidden, [sizeOf(hidden.shape.slice(0, -1)), hidden.shape.at(-1)!]), wanted)
  const said = sum(at.mul(takeRows(head, targets)), [-1])
  return reshape(said.sub(logSumExp(matmul(at, transpose(head)))), wanted.shape)
}

/** Logits over the whole vocabulary. shape hidden f32[…, d] → f32[…, V] */
export function logits(params: DecoderParams<Value>, hidden: Value): Value {
  return linear(hidden, params.head ?? params.embed)
}

/**
 * Log-probability of each completion: the wanted tokens' summed by slot.
 *
 * shape   logps, weights f32[N], completion i32[N] → f32[C], nats
 */
export function completionLogps(logps: Value, completion: Value, weights: Value, completions: number): Value {
  return addRows(constant(0, [completions]), completion, logps.mul(weights))
}

/** Values in the form of nested parameters, each an input named by its path. */
export function paramInputs(
  shapes: DecoderParams<{ readonly shape: Shape }>,
  make: (path: string, shape: Shape) => Value,
): DecoderParams<Value> {
  const isLeaf = (x: unknown): x is { readonly shape: Shape } => typeof x === 'object' && x !== null && 'shape' in x
  return mapNested(shapes as never, isLeaf as never, (leaf: { shape: Shape }, path: string) =>
    make(path, leaf.shape),
  ) as unknown as DecoderParams<Value>
}

/** The parameters by path. */
export function byPath(params: DecoderParams<Value>): Record<string, Value> {
  const found: Record<string, Value> = {}
  mapNested(params as never, isValue as never, (value: Value, path: string) => {
    found[path] = value
  })
  return found
}
