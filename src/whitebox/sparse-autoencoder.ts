import { demand, show, type Tensor, tensor } from '../graph/index.ts'

/**
 * A sparse autoencoder: features f = act((x − b_dec)·W_enc + b_enc), and x̂ = f·W_dec + b_dec.
 *
 * shape   W_enc f32[d, features], W_dec f32[features, d], b_enc f32[features], b_dec f32[d]
 */
export interface SparseAutoencoder {
  /** How many features of a row stay, the largest; undefined where the activation is the rectifier alone. */
  readonly k?: number
  /** Whether b_dec is taken off before encoding. */
  readonly centred: boolean
  /** Whether features are chosen, and read, as if every row of W_dec had length 1. */
  readonly rescaled: boolean
  readonly params: Readonly<Record<'W_enc' | 'b_enc' | 'W_dec' | 'b_dec', Tensor>>
}

/** How well an autoencoder does on rows. */
export interface Reconstruction {
  /** 1 − Σ‖x − x̂‖² / Σ‖x − x̄‖². */
  readonly varianceExplained: number
  /** Features above 0 of a row, in the mean. */
  readonly l0: number
  /** Features that are above 0 of no row. */
  readonly dead: number
}

/**
 * The features of rows.
 *
 * shape   x f32[n, d] → f32[n, features]
 * throws  ShapeError for rows of another width
 * source  Gao et al. 2024, arXiv:2406.04093 (top-k); as SAELens 6 computes it
 */
export function encode({ k, centred, rescaled, params }: SparseAutoencoder, x: Tensor): Tensor {
  const { W_enc, b_enc, W_dec, b_dec } = params
  const [d, features] = W_enc.shape as [number, number]
  demand(x.shape.length === 2 && x.shape[1] === d, () => `encode: rows must be f32[n, ${d}], got ${show(x)}`)
  const n = x.shape[0]!
  const lengths = rescaled ? lengthsOf(W_dec) : undefined
  const found = new Float32Array(n * features)
  const before = new Float64Array(features)
  for (let i = 0; i < n; i++) {
    before.set(b_enc.data)
    for (let c = 0; c < d; c++) {
      const value = x.data[i * d + c]! - (centred ? b_dec.data[c]! : 0)
      for (let f = 0, at = c * features; f < features; f++, at++) before[f]! += value * W_enc.data[at]!
    }
    if (lengths) for (let f = 0; f < features; f++) before[f]! *= lengths[f]!
    const kept = k === undefined ? before.keys() : largest(before, k)
    for (const f of kept) found[i * features + f] = Math.max(0, before[f]!)
  }
  return tensor(found, [n, features])
}

/**
 * Rows from features.
 *
 * shape   f32[n, features] → f32[n, d]
 */
export function decode({ rescaled, params }: SparseAutoencoder, features: Tensor): Tensor {
  const { W_dec, b_dec } = params
  const [count, d] = W_dec.shape as [number, number]
  demand(features.shape[1] === count, () => `decode: features must be f32[n, ${count}], got ${show(features)}`)
  const n = features.shape[0]!
  const lengths = rescaled ? lengthsOf(W_dec) : undefined
  const rows = new Float32Array(n * d)
  const row = new Float64Array(d)
  for (let i = 0; i < n; i++) {
    row.set(b_dec.data)
    for (let f = 0; f < count; f++) {
      const value = features.data[i * count + f]! / (lengths ? lengths[f]! : 1)
      if (value !== 0) for (let c = 0; c < d; c++) row[c]! += value * W_dec.data[f * d + c]!
    }
    rows.set(row, i * d)
  }
  return tensor(rows, [n, d])
}

/** How well rows come back, how many features they take, and which are never used. */
export function reconstruction(autoencoder: SparseAutoencoder, x: Tensor): Reconstruction {
  const features = encode(autoencoder, x)
  const back = decode(autoencoder, features)
  const [n, d] = x.shape as [number, number]
  const mean = new Float64Array(d)
  for (let i = 0; i < n * d; i++) mean[i % d]! += x.data[i]! / n
  let [missed, spread, active] = [0, 0, 0]
  for (let i = 0; i < n * d; i++) {
    missed += (x.data[i]! - back.data[i]!) ** 2
    spread += (x.data[i]! - mean[i % d]!) ** 2
  }
  const count = features.shape[1]!
  const used = new Set<number>()
  for (let i = 0; i < features.data.length; i++)
    if (features.data[i]! > 0) {
      active++
      used.add(i % count)
    }
  return { varianceExplained: 1 - missed / spread, l0: active / n, dead: count - used.size }
}

/** Where the k largest numbers stand, the largest first, the first of equals. */
export function largest(values: ArrayLike<number>, k: number): number[] {
  const places: number[] = []
  for (let i = 0; i < values.length; i++) {
    if (places.length === k && !(values[i]! > values[places[k - 1]!]!)) continue
    let at = places.length < k ? places.length : k - 1
    for (; at > 0 && values[i]! > values[places[at - 1]!]!; at--) places[at] = places[at - 1]!
    places[at] = i
  }
  return places
}

/** The length of each row. */
export function lengthsOf({ shape, data }: Tensor): Float64Array {
  const [rows, d] = shape as [number, number]
  return Float64Array.from({ length: rows }, (_, f) => Math.hypot(...data.subarray(f * d, (f + 1) * d)))
}
