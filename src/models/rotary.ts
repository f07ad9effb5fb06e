import { concat, reshape, slice, table, takeRows, tensor, type Value } from '../graph/index.ts'
import type { DecoderConfig, RopeScaling } from './config.ts'

/** Cosine and sine of the angles of every position, f32[R, 1, T, n/2] for the n numbers of a head that are rotated. */
export interface Angles {
  readonly cos: Value
  readonly sin: Value
}

/**
 * How many positions a table of angles has in a graph of that many columns, whose positions are all below their number. The whole table of
 * a long context would be tens of megabytes in every program. But tables are part of a graph's file, and graphs that differ in sizes alone
 * share one; so the length takes few values, and for most models the same one always.
 */
export function tableLength(columns: number, { contextLength }: DecoderConfig): number {
  return Math.min(contextLength, Math.max(4096, 2 ** Math.ceil(Math.log2(columns))))
}

/** Angles of positions below `length`, as rows of a table: cosines of large angles are computed in f64, once. */
export function rotations(
  positions: Value,
  length: number,
  { headDim, rotaryDim = headDim }: DecoderConfig,
  theta: number,
  scaling?: RopeScaling,
): Angles {
  const half = rotaryDim / 2
  const slow = Array.from({ length: half }, (_, i) => frequency(i, rotaryDim, theta, scaling))
  const factor = scaling?.kind === 'yarn' ? scaling.attention : 1
  const make = (f: (x: number) => number) =>
    table(
      tensor(
        Float32Array.from({ length: length * half }, (_, i) => factor * f(Math.floor(i / half) * slow[i % half]!)),
        [length, half],
      ),
    )
  const at = (x: Value) => {
    const picked = takeRows(x, positions)
    return reshape(picked, [picked.shape[0]!, 1, ...picked.shape.slice(1)])
  }
  return { cos: at(make(Math.cos)), sin: at(make(Math.sin)) }
}

/**
 * Radians a position for the i-th pair of n numbers: theta^(−2i/n), stretched where the config says so.
 *
 * source  Su et al. 2021, arXiv:2104.09864; linear: Chen et al. 2023, arXiv:2306.15595; llama3: Llama team 2024, arXiv:2407.21783;
 *         yarn: Peng et al. 2023, arXiv:2309.00071
 */
export function frequency(i: number, n: number, theta: number, scaling?: RopeScaling): number {
  const plain = theta ** (-(2 * i) / n)
  if (!scaling) return plain
  const { kind, factor } = scaling
  if (kind === 'linear') return plain / factor
  // How much of the plain angle is kept: all of what turns often within the original context, nothing of what turns seldom.
  const kept = clamp(kind === 'llama3' ? byTurns(plain, scaling) : byPair(i, n, theta, scaling))
  return plain * kept + (plain / factor) * (1 - kept)
}

function byTurns(plain: number, { low, high, original }: RopeScaling & { kind: 'llama3' }): number {
  return ((original * plain) / (2 * Math.PI) - low) / (high - low)
}

function byPair(i: number, n: number, theta: number, { fast, slow, original, whole }: RopeScaling & { kind: 'yarn' }): number {
  const pair = (turns: number) => (n * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(theta))
  const from = Math.max(whole ? Math.floor(pair(fast)) : pair(fast), 0)
  const to = Math.min(whole ? Math.ceil(pair(slow)) : pair(slow), n - 1)
  return 1 - (i - from) / (to - from || 0.001)
}

function clamp(x: number): number {
  return Math.min(Math.max(x, 0), 1)
}

/** Turns each pair (x[i], x[i + n/2]) of the first n numbers of a head by the position's angle. */
export function rotate(x: Value, { cos, sin }: Angles): Value {
  const n = x.shape.at(-1)!
  const turned = 2 * cos.shape.at(-1)!
  if (turned < n) return concat([rotate(slice(x, -1, 0, turned), { cos, sin }), slice(x, -1, turned, n)], -1)
  const [left, right] = [slice(x, -1, 0, n / 2), slice(x, -1, n / 2, n)]
  return concat([left.mul(cos).sub(right.mul(sin)), right.mul(cos).add(left.mul(sin))], -1)
}
