import {
  concat,
  matmul,
  maximum,
  tap as nameTap,
  reshape,
  sizeOf,
  softmax,
  type Tap,
  table,
  takeKnownRows,
  takeRows,
  tensor,
  transpose,
  type Value,
} from '../graph/index.ts'
import { attendCache, attendFirst } from './attend-cache.ts'
import { capped } from './capped.ts'
import type { DecoderConfig, RopeScaling } from './config.ts'
import type { DecoderInputs, DecoderOptions, Dense } from './decoder-inputs.ts'
import { norm, type ScaleTap } from './norm.ts'
import type { DecoderBlock } from './params.ts'
import { type Angles, rotate, rotations, tableLength } from './rotary.ts'

/** What attention of a block reads besides x: who may see whom, and the angles of queries and keys; by segments, where there are any. */
export interface AttentionInputs {
  readonly mask: Value
  readonly segments?: Required<Pick<DecoderInputs, 'queries' | 'keys' | 'queryOf' | 'positionOf' | 'keysOf'>>
  readonly window?: number
  readonly angles?: { readonly queries: Angles; readonly keys: Angles }
}

/** Masks and angles, made once for all blocks that share them. */
export function attentionInputs(
  inputs: DecoderInputs,
  config: DecoderConfig,
  { past }: DecoderOptions,
): (block: number) => AttentionInputs {
  const { mask, queries, keys, queryOf, positionOf, keysOf } = inputs
  const segments = queries && keys && queryOf && positionOf && keysOf ? { queries, keys, queryOf, positionOf, keysOf } : undefined
  const at = (places: Value | undefined) =>
    places ? takeRows(reshape(inputs.positions, [sizeOf(inputs.positions.shape)]), places) : inputs.positions
  const positions = { queries: at(segments?.queries), keys: at(segments?.keys) }
  const { window, ropeTheta, ropeScaling, unrotated = [] } = config
  const T = positions.keys.shape.at(-1)!
  const front = past && 'longest' in past ? past : undefined
  const columns = past?.blocks[0]?.keys.shape[2] ?? 0
  const length = front?.longest ?? tableLength(T === columns ? T : T + columns, config)
  const turns = (theta: number, scaling?: RopeScaling) => {
    const ofKeys = rotations(positions.keys, length, config, theta, scaling)
    return { keys: ofKeys, queries: segments ? rotations(positions.queries, length, config, theta, scaling) : ofKeys }
  }
  const angles = ropeTheta === undefined ? undefined : turns(ropeTheta, ropeScaling)
  const near = window?.ropeTheta === undefined ? angles : turns(window.ropeTheta)
  const nearMask = front ? front.windowed : window && T > window.size ? mask.add(beyond(positions, length, window.size)) : mask
  return (block) => {
    const windowed = window?.layers.includes(block)
    const turned = unrotated.includes(block) ? undefined : windowed ? near : angles
    return {
      mask: windowed ? nearMask : mask,
      ...(segments ? { segments } : {}),
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

/** Rows [R·T, …] as segments have them. */
function gathered(
  rows: Value,
  { queries, keys, queryOf, keysOf }: NonNullable<AttentionInputs['segments']>,
  of: 'queries' | 'keys',
): Value {
  return of === 'keys' ? takeKnownRows(rows, keys, keysOf) : takeKnownRows(rows, queries, reshape(queryOf, [1, rows.shape[0]!]))
}

/**
 * Attention of one block, without the residual: x f32[R, T, d] → f32[R, T, d].
 *
 * Its taps are those of taps.ts, where attention takes rows. What it has of segments is named for the file alone: `attn.segments.q`.
 */
export function attention(
  x: Value,
  { attn }: DecoderBlock<Value>,
  block: number,
  inputs: AttentionInputs,
  config: DecoderConfig,
  options: DecoderOptions,
  outerTap: Tap,
  dense: Dense,
): Value {
  const { segments } = inputs
  const tap: Tap = segments ? (name, x) => nameTap(`blocks.${block}.${name.replace('attn', 'attn.segments')}`, x) : outerTap
  const asked = (name: string) => !segments && (options.asks?.(`blocks.${block}.${name}`) ?? false)
  const [R, T] = (segments?.queries ?? x).shape as [number, number]
  const { heads: H, kvHeads: KV, headDim, queryScale = 1 / Math.sqrt(headDim), scoreCap } = config
  const split = (value: Value, n: number, of: 'queries' | 'keys') => {
    const rows = segments ? gathered(reshape(value, [sizeOf(value.shape) / (n * headDim), n * headDim]), segments, of) : value
    return transpose(reshape(rows, [...rows.shape.slice(0, 2), n, headDim]), [0, 2, 1, 3])
  }
  const placed = (value: Value, weight: Value | undefined, n: number, of: 'queries' | 'keys') => {
    const whole = config.qkNorm === 'whole'
    const name = `attn.${of === 'queries' ? 'q' : 'k'}Norm.scale`
    const scale: ScaleTap | undefined = asked(name) ? (root) => tap(name, root) : undefined
    const heads = split(whole ? norm(value, weight, undefined, config, scale) : value, n, of)
    const normed = whole ? heads : norm(heads, weight, undefined, config, scale)
    return inputs.angles ? rotate(normed, inputs.angles[of]) : normed
  }
  const q = tap('attn.q', placed(dense(x, attn.q, attn.qBias, 'attn.q'), attn.qNorm, H, 'queries'))
  const k = tap('attn.k', placed(dense(x, attn.k, attn.kBias, 'attn.k'), attn.kNorm, KV, 'keys'))
  const v = tap('attn.v', split(dense(x, attn.v, attn.vBias, 'attn.v'), KV, 'keys'))
  const turned = transpose(tap('attn.z', reshape(mixedValues(), [R, H, T, headDim])), [0, 2, 1, 3])
  const joined = segments ? takeKnownRows(reshape(turned, [R * T, H * headDim]), segments.queryOf, segments.positionOf) : turned
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
    const raw = capped(reshape(matmul(grouped, transpose(k)), [R, H, T, S]), scoreCap)
    const scores = tap('attn.scores', raw.add(inputs.mask))
    return matmul(reshape(tap('attn.pattern', softmax(scores)), [R, KV, (H / KV) * T, S]), v)
  }

  function inPlace(keys: Value, values: Value, lengths: Value): Value {
    const more = { ...(scoreCap ? { cap: scoreCap } : {}), ...(inputs.window ? { window: inputs.window } : {}) }
    const inside = asked('attn.scores') || asked('attn.pattern') ? tap : undefined
    const attend = T === 1 ? attendCache : attendFirst
    const attended = attend({ q, k, v, keys, values, lengths }, { scale: queryScale, ...more }, inside)
    options.onKeysValues?.(block, attended.keys, attended.values)
    return attended.mixed
  }
}
