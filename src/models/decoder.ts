import {
  addRows,
  concat,
  constant,
  gelu,
  geluTanh,
  isValue,
  linear,
  logSumExp,
  mapNested,
  matmul,
  maximum,
  mean,
  tap as plainTap,
  reshape,
  type Shape,
  silu,
  sizeOf,
  softmax,
  sqrt,
  stopGradient,
  sum,
  type Tap,
  table,
  takeKnownRows,
  takeRows,
  tanh,
  tensor,
  transpose,
  type Value,
} from '../graph/index.ts'
import { attendCache } from './attend-cache.ts'
import type { DecoderConfig, RopeScaling } from './config.ts'
import type { DecoderBlock, DecoderParams } from './params.ts'
import { type Angles, rotate, rotations, tableLength } from './rotary.ts'

/** What a decoder reads: see Rows. */
export interface DecoderInputs {
  readonly tokens: Value
  readonly positions: Value
  readonly mask: Value
  /** Attention takes pieces instead of rows, see Pieces: all five or none. */
  readonly queries?: Value
  readonly keys?: Value
  readonly homes?: Value
  readonly origins?: Value
  readonly readers?: Value
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
  /** Tokens before those of each row, one entry per block: keys and values f32[R, kvHeads, S, headDim]. */
  readonly past?: PastInPlace | PastInFront
  /** Called with every block's keys and values [R, kvHeads, T, headDim], those of the past among them, for a cache. */
  readonly onKeysValues?: (block: number, k: Value, v: Value) => void
}

interface Past {
  readonly blocks: readonly { readonly keys: Value; readonly values: Value }[]
}

/** Row r has used the first lengths[r] columns, and its one token takes the next. The mask is not read, and there is no pattern to tap. */
interface PastInPlace extends Past {
  readonly lengths: Value
}

/** All columns are in use, and those of this pass come after them. The masks f32[R or 1, 1, T, S + T] say who sees whom. */
interface PastInFront extends Past {
  /** The mask of blocks with a window. */
  readonly windowed: Value
  /** Positions are below this number. */
  readonly longest: number
}

/**
 * A decoder up to its last norm: a function of its parameters. One for all families; the config says which parts it has.
 *
 * Taps, by name and shape the same in every family: embed (what the first block reads), blocks.i.attn.{in,q,k,v,pattern,out}, blocks.i.mid,
 * blocks.i.mlp.{in,act,out}, blocks.i.out, final. Queries and keys are tapped as they meet, normed and rotated; attn.out and mlp.out are
 * what is added to the residual stream, after their norm where there is one. Where attention and MLP are parallel, mlp.in is not of mid.
 * Where attention takes pieces, q, k, v and pattern are theirs.
 *
 * shape   tokens i32[R, T]; positions i32[R or 1, T], below S + T with a past of S in place; mask f32[R, 1, T, T], or f32[P, 1, Q, L] with
 *         pieces → f32[R, T, d]
 * source  Touvron et al. 2023, arXiv:2302.13971; grouped queries: Ainslie et al. 2023, arXiv:2305.13245; each family's file names its own
 */
export function decoder(params: DecoderParams<Value>, inputs: DecoderInputs, config: DecoderConfig, options: DecoderOptions = {}): Value {
  const tap = options.tap ?? plainTap
  const sights = sightsOf(inputs, config, options)
  let x = tap('embed', embedded(params, inputs, config))
  params.blocks.forEach((block, i) => {
    const named: Tap = (name, value) => tap(`blocks.${i}.${name}`, value)
    const dense: Dense = (value, weight, bias, path) => {
      const y = adapted(value, weight, options.adapters, `blocks.${i}.${path}`)
      return bias ? y.add(bias) : y
    }
    const normed = named('attn.in', norm(x, block.attnNorm, block.attnNormBias, config))
    const attended = attention(normed, block, i, sights(i), config, options, named, dense)
    const mid = named('mid', x.add(named('attn.out', norm(attended, block.attnPostNorm, undefined, config))))
    const read = named('mlp.in', norm(config.parallel ? x : mid, block.mlpNorm, block.mlpNormBias, config))
    const written = dense(named('mlp.act', activated(read, block, config, dense)), block.mlp.down, block.mlp.downBias, 'mlp.down')
    x = named('out', mid.add(named('mlp.out', norm(written, block.mlpPostNorm, undefined, config))))
  })
  return tap('final', norm(x, params.norm, params.normBias, config))
}

type Dense = (x: Value, weight: Value, bias: Value | undefined, path: string) => Value

function embedded(params: DecoderParams<Value>, { tokens, positions }: DecoderInputs, { embedScale }: DecoderConfig): Value {
  const rows = takeRows(params.embed, tokens)
  const scaled = embedScale ? rows.mul(embedScale) : rows
  return params.positions ? scaled.add(takeRows(params.positions, positions)) : scaled
}

/** What the queries of a block see: who may see whom, and the angles of queries and keys; by pieces, where there are any. */
interface Sight {
  readonly mask: Value
  readonly pieces?: Required<Pick<DecoderInputs, 'queries' | 'keys' | 'homes' | 'origins' | 'readers'>>
  readonly window?: number
  readonly angles?: { readonly queries: Angles; readonly keys: Angles }
}

/** Masks and angles, made once for all blocks that share them. */
function sightsOf(inputs: DecoderInputs, config: DecoderConfig, { past }: DecoderOptions): (block: number) => Sight {
  const { mask, queries, keys, homes, origins, readers } = inputs
  const pieces = queries && keys && homes && origins && readers ? { queries, keys, homes, origins, readers } : undefined
  const at = (places: Value | undefined) =>
    places ? takeRows(reshape(inputs.positions, [sizeOf(inputs.positions.shape)]), places) : inputs.positions
  const positions = { queries: at(pieces?.queries), keys: at(pieces?.keys) }
  const { window, ropeTheta, ropeScaling, unrotated = [] } = config
  const T = positions.keys.shape.at(-1)!
  const front = past && 'longest' in past ? past : undefined
  const length = front?.longest ?? tableLength(T + (past?.blocks[0]?.keys.shape[2] ?? 0), config)
  const turns = (theta: number, scaling?: RopeScaling) => {
    const ofKeys = rotations(positions.keys, length, config, theta, scaling)
    return { keys: ofKeys, queries: pieces ? rotations(positions.queries, length, config, theta, scaling) : ofKeys }
  }
  const angles = ropeTheta === undefined ? undefined : turns(ropeTheta, ropeScaling)
  const near = window?.ropeTheta === undefined ? angles : turns(window.ropeTheta)
  const nearMask = front ? front.windowed : window && T > window.size ? mask.add(beyond(positions, length, window.size)) : mask
  return (block) => {
    const windowed = window?.layers.includes(block)
    const turned = unrotated.includes(block) ? undefined : windowed ? near : angles
    return {
      mask: windowed ? nearMask : mask,
      ...(pieces ? { pieces } : {}),
      ...(windowed ? { window: window!.size } : {}),
      ...(turned ? { angles: turned } : {}),
    }
  }
}

/** −1e9 and less where a key is `size` positions or more before its query, 0 elsewhere: positions restart at a branch, so this holds in rows of trees. */
function beyond({ queries, keys }: { queries: Value; keys: Value }, length: number, size: number): Value {
  const places = table(
    tensor(
      Float32Array.from({ length }, (_, i) => i),
      [length],
    ),
  )
  const [R, T] = queries.shape as [number, number]
  const distance = reshape(takeRows(places, queries), [R, 1, T, 1]).sub(reshape(takeRows(places, keys), [R, 1, 1, keys.shape[1]!]))
  return maximum(distance.sub(size - 1), 0).mul(-1e9)
}

/** Rows [R·T, …] as pieces have them. */
function apart(rows: Value, { queries, keys, homes, readers }: NonNullable<Sight['pieces']>, of: 'queries' | 'keys'): Value {
  return of === 'keys' ? takeKnownRows(rows, keys, readers) : takeKnownRows(rows, queries, reshape(homes, [1, rows.shape[0]!]))
}

function attention(
  x: Value,
  { attn }: DecoderBlock<Value>,
  block: number,
  sight: Sight,
  config: DecoderConfig,
  options: DecoderOptions,
  tap: Tap,
  dense: Dense,
): Value {
  const { pieces } = sight
  const [R, T] = (pieces?.queries ?? x).shape as [number, number]
  const { heads: H, kvHeads: KV, headDim, queryScale = 1 / Math.sqrt(headDim), scoreCap } = config
  const split = (value: Value, n: number, of: 'queries' | 'keys') => {
    const rows = pieces ? apart(reshape(value, [sizeOf(value.shape) / (n * headDim), n * headDim]), pieces, of) : value
    return transpose(reshape(rows, [...rows.shape.slice(0, 2), n, headDim]), [0, 2, 1, 3])
  }
  const placed = (value: Value, weight: Value | undefined, n: number, of: 'queries' | 'keys') => {
    const whole = config.qkNorm === 'whole'
    const heads = split(whole ? norm(value, weight, undefined, config) : value, n, of)
    const normed = whole ? heads : norm(heads, weight, undefined, config)
    return sight.angles ? rotate(normed, sight.angles[of]) : normed
  }
  const q = tap('attn.q', placed(dense(x, attn.q, attn.qBias, 'attn.q'), attn.qNorm, H, 'queries'))
  const k = tap('attn.k', placed(dense(x, attn.k, attn.kBias, 'attn.k'), attn.kNorm, KV, 'keys'))
  const v = tap('attn.v', split(dense(x, attn.v, attn.vBias, 'attn.v'), KV, 'keys'))
  const mixed = mixedValues()
  const turned = transpose(reshape(mixed, [R, H, T, headDim]), [0, 2, 1, 3])
  const joined = pieces ? takeKnownRows(reshape(turned, [R * T, H * headDim]), pieces.homes, pieces.origins) : turned
  return dense(reshape(joined, x.shape.with(-1, H * headDim)), attn.o, attn.oBias, 'attn.o')

  function mixedValues(): Value {
    const { past } = options
    if (!past) return plain(k, v)
    const { keys, values } = past.blocks[block]!
    return 'lengths' in past ? inPlace(keys, values, past.lengths) : plain(concat([keys, k], 2), concat([values, v], 2))
  }

  function plain(k: Value, v: Value): Value {
    options.onKeysValues?.(block, k, v)
    const S = k.shape[2]!
    // The queries that share a key's head stand side by side, so grouped attention is one plain product.
    const grouped = reshape(q.mul(queryScale), [R, KV, (H / KV) * T, headDim])
    const scores = capped(reshape(matmul(grouped, transpose(k)), [R, H, T, S]), scoreCap).add(sight.mask)
    return matmul(reshape(tap('attn.pattern', softmax(scores)), [R, KV, (H / KV) * T, S]), v)
  }

  function inPlace(keys: Value, values: Value, lengths: Value): Value {
    const more = { ...(scoreCap ? { cap: scoreCap } : {}), ...(sight.window ? { window: sight.window } : {}) }
    const attended = attendCache({ q, k, v, keys, values, lengths }, { scale: queryScale, ...more })
    options.onKeysValues?.(block, attended.keys, attended.values)
    return attended.mixed
  }
}

const activations = { silu, gelu, geluTanh }

function activated(x: Value, { mlp }: DecoderBlock<Value>, { activation = 'silu' }: DecoderConfig, dense: Dense): Value {
  const act = activations[activation]
  const up = () => dense(x, mlp.up, mlp.upBias, 'mlp.up')
  return mlp.gate ? act(dense(x, mlp.gate, mlp.gateBias, 'mlp.gate')).mul(up()) : act(up())
}

/** cap · tanh(x / cap): nearly x where it is small, and never beyond the cap. */
function capped(x: Value, cap: number | undefined): Value {
  return cap === undefined ? x : tanh(x.div(cap)).mul(cap)
}

/**
 * A linear layer's output (before any bias), with its adapter where it has one: x·(W + scale · b·a)ᵀ · magnitude / ‖W + scale · b·a‖, row
 * norms. What dropout takes is taken from the adapter's input alone. As in PEFT the norm is a constant to the gradient.
 *
 * source  Hu et al. 2021, arXiv:2106.09685; DoRA: Liu et al. 2024, arXiv:2402.09353, equation 5 and section 4.3
 */
function adapted(x: Value, weight: Value, adapters: Adapters<Value> | undefined, path: string): Value {
  const layer = adapters?.layers[path]
  if (!layer) return linear(x, weight)
  const { a, b, magnitude } = layer
  const whole = changedWeight(weight, layer, adapters.scale)
  const mask = adapters.masks?.[path]
  if (!mask) return magnitude ? linear(x, whole).mul(lengthened(whole, magnitude)) : linear(x, whole)
  const read = x.mul(mask)
  const low = linear(linear(read, a), b).mul(adapters.scale)
  const y = linear(x, weight)
  if (!magnitude) return y.add(low)
  const base = linear(read, weight)
  return y.sub(base).add(base.add(low).mul(lengthened(whole, magnitude)))
}

/** The weight that a layer with an adapter multiplies by. shape [out, in] */
export function adaptedWeight(weight: Value, layer: Adapter<Value>, scale: number): Value {
  const whole = changedWeight(weight, layer, scale)
  const { magnitude } = layer
  return magnitude ? whole.mul(reshape(lengthened(whole, magnitude), [magnitude.shape[0]!, 1])) : whole
}

/** W + scale · b·a */
function changedWeight(weight: Value, { a, b }: Adapter<Value>, scale: number): Value {
  return weight.add(matmul(b, a).mul(scale))
}

/** What makes a weight's rows as long as the magnitude says, a constant to the gradient. */
function lengthened(weight: Value, magnitude: Value): Value {
  return magnitude.div(stopGradient(sqrt(reshape(sum(weight.mul(weight), [-1]), magnitude.shape))))
}

/** The config's norm, where there is one. */
function norm(x: Value, weight: Value | undefined, bias: Value | undefined, { norm: kind = 'rms', normEps }: DecoderConfig): Value {
  if (!weight) return x
  if (kind === 'layer') return layerNorm(x, weight, bias, normEps)
  return rmsNorm(x, kind === 'rmsPlusOne' ? weight.add(1) : weight, normEps)
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

/**
 * x less its mean, over its standard deviation, times a weight and plus a bias per channel.
 *
 * shape   x f32[…, d], weight, bias f32[d] → f32[…, d]
 * source  Ba et al. 2016, arXiv:1607.06450
 */
function layerNorm(x: Value, weight: Value, bias: Value | undefined, eps: number): Value {
  const y = rmsNorm(x.sub(mean(x, [-1])), weight, eps)
  return bias ? y.add(bias) : y
}

/**
 * Log-probabilities of wanted next tokens, without ever holding more than [N, vocabulary]: logit of the target minus log Σ e^logit.
 *
 * shape   hidden f32[R, T, d], wanted i32[N] flat positions, targets i32[N] → f32[N], nats
 */
export function tokenLogps(params: DecoderParams<Value>, hidden: Value, wanted: Value, targets: Value, { logitCap }: DecoderConfig): Value {
  const head = params.head ?? params.embed
  const at = takeRows(reshape(hidden, [sizeOf(hidden.shape.slice(0, -1)), hidden.shape.at(-1)!]), wanted)
  const said = capped(sum(at.mul(takeRows(head, targets)), [-1]), logitCap)
  return reshape(said.sub(logSumExp(capped(matmul(at, transpose(head)), logitCap))), wanted.shape)
}

/** Logits over the whole vocabulary. shape hidden f32[…, d] → f32[…, V] */
export function logits(params: DecoderParams<Value>, hidden: Value, { logitCap }: DecoderConfig): Value {
  return capped(linear(hidden, params.head ?? params.embed), logitCap)
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
