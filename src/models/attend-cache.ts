import {
  abs,
  composite,
  constant,
  matmul,
  maximum,
  reshape,
  softmax,
  type Tap,
  table,
  takeRows,
  tensor,
  transpose,
  type Value,
} from '../graph/index.ts'
import { capped } from './capped.ts'

/** New tokens of each row, and the keys and values of those before them. */
export interface Cached {
  /** f32[B, H, T, headDim], and k, v f32[B, KV, T, headDim] */
  readonly q: Value
  readonly k: Value
  readonly v: Value
  /** f32[B, KV, S, headDim]; the last new token of row b takes column lengths[b], lengths i32[B] below S. */
  readonly keys: Value
  readonly values: Value
  readonly lengths: Value
}

export interface Attending {
  /** What queries are multiplied by. */
  readonly scale: number
  /** Scores become cap · tanh(score / cap). */
  readonly cap?: number
  /** How many tokens a query sees at most, its own among them. */
  readonly window?: number
}

/**
 * Attention of one new token a row to a cache: its key and value go into the cache's next column, and it sees that column and those before.
 * With a tap it is written out, and attn.scores and attn.pattern f32[B, H, 1, S] are tapped; without one it is a kernel where there is one.
 *
 * shape   → mixed f32[B, H, 1, headDim], keys and values as they came with one column more in use
 * source  Shazeer 2019, arXiv:1911.02150 (the cache); Ainslie et al. 2023, arXiv:2305.13245 (grouped queries)
 */
export function attendCache(cached: Cached, attending: Attending, tap?: Tap): { mixed: Value; keys: Value; values: Value } {
  const { q, k, v, keys, values, lengths } = cached
  const [B, H, , headDim] = q.shape as [number, number, number, number]
  const [, KV, S] = keys.shape as [number, number, number]
  const places = table(
    tensor(
      Float32Array.from({ length: S }, (_, i) => i),
      [S],
    ),
  )
  const before = reshape(takeRows(places, lengths), [B, 1, 1, 1]).sub(reshape(places, [1, 1, 1, S]))
  const here = reshape(maximum(constant(1).sub(abs(before)), 0), [B, 1, S, 1])
  const written = (past: Value, now: Value) => past.mul(constant(1).sub(here)).add(now.mul(here))
  const allKeys = written(keys, k)
  const allValues = written(values, v)
  const { scale, cap, window } = attending
  const raw = matmul(reshape(q.mul(scale), [B, KV, H / KV, headDim]), transpose(allKeys))
  const scores = capped(raw, cap).sub(unseen(before, window).mul(1e9))
  const byHead = (x: Value) => reshape(x, [B, H, 1, S])
  const pattern = tap ? tap('attn.pattern', softmax(tap('attn.scores', byHead(scores)))) : softmax(scores)
  const mixed = reshape(matmul(reshape(pattern, [B, KV, H / KV, S]), allValues), q.shape)
  const made = { mixed, keys: allKeys, values: allValues }
  return tap ? made : known(made, cached, attending)
}

/**
 * Attention of the first tokens of each row to those before them, which fills the whole cache: T = S, and lengths are S − 1. What is in the
 * cache is not read. With a tap it is written out, as attendCache.
 *
 * shape   → mixed f32[B, H, S, headDim], keys and values
 */
export function attendFirst(cached: Cached, attending: Attending, tap?: Tap): { mixed: Value; keys: Value; values: Value } {
  const { q, k, v } = cached
  const { scale, cap, window } = attending
  const [B, H, T, headDim] = q.shape as [number, number, number, number]
  const KV = k.shape[1]!
  const places = table(
    tensor(
      Float32Array.from({ length: T }, (_, i) => i),
      [T],
    ),
  )
  const before = reshape(places, [1, 1, T, 1]).sub(reshape(places, [1, 1, 1, T]))
  const grouped = reshape(q.mul(scale), [B, KV, (H / KV) * T, headDim])
  const raw = capped(reshape(matmul(grouped, transpose(k)), [B, H, T, T]), cap)
  const scores = raw.sub(unseen(before, window).mul(1e9))
  const pattern = tap ? tap('attn.pattern', softmax(tap('attn.scores', scores))) : softmax(scores)
  const mixed = reshape(matmul(reshape(pattern, [B, KV, (H / KV) * T, T]), v), q.shape)
  const made = { mixed, keys: k, values: v }
  return tap ? made : known(made, cached, attending)
}

/** Above 0 where a key comes after its query by so many positions, or lies outside of its window; 0 elsewhere. */
function unseen(before: Value, window: number | undefined): Value {
  const later = maximum(before.neg(), 0)
  return window ? later.add(maximum(before.sub(window - 1), 0)) : later
}

function known(made: Record<'mixed' | 'keys' | 'values', Value>, cached: Cached, attending: Attending) {
  const one = (result: string, y: Value) => composite({ name: 'cachedAttention', result, ...attending }, y, { ...cached })
  // The kernel has tokens before heads.
  const turn = (x: Value) => transpose(x, [0, 2, 1, 3])
  return { mixed: turn(one('mixed', turn(made.mixed))), keys: one('keys', made.keys), values: one('values', made.values) }
}
