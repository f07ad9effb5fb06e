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

/** One new token a row, and the keys and values of those before it. */
export interface Cached {
  /** f32[B, H, 1, headDim], and k, v f32[B, KV, 1, headDim] */
  readonly q: Value
  readonly k: Value
  readonly v: Value
  /** f32[B, KV, S, headDim]; of row b the first lengths[b] columns are in use, lengths i32[B] below S. */
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
  const later = maximum(before.neg(), 0)
  const hidden = window ? later.add(maximum(before.sub(window - 1), 0)) : later
  const scores = capped(raw, cap).sub(hidden.mul(1e9))
  const byHead = (x: Value) => reshape(x, [B, H, 1, S])
  const pattern = tap ? tap('attn.pattern', softmax(tap('attn.scores', byHead(scores)))) : softmax(scores)
  const mixed = reshape(matmul(reshape(pattern, [B, KV, H / KV, S]), allValues), q.shape)
  if (tap) return { mixed, keys: allKeys, values: allValues }
  const known = (result: string, y: Value) => composite({ name: 'cachedAttention', result, ...attending }, y, { ...cached })
  return { mixed: known('mixed', mixed), keys: known('keys', allKeys), values: known('values', allValues) }
}
