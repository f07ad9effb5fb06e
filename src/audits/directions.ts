import type { Tensor } from '../graph/index.ts'
import { philox, seedFor } from '../random/index.ts'

/** A sign for each entry, drawn from a seed and a name. */
export function signs(count: number, seed: number, name: string): Float64Array {
  const key = seedFor(seed, name)
  const drawn = new Float64Array(count)
  for (let i = 0; i < count; i += 128) {
    const words = philox([i / 128, 0, 0, 0], [key, 0x5bd1e995])
    for (let k = i; k < Math.min(count, i + 128); k++) drawn[k] = (words[((k - i) >> 5) as 0 | 1 | 2 | 3] >>> ((k - i) & 31)) & 1 ? 1 : -1
  }
  return drawn
}

/**
 * A direction in a tensor to take a difference along: in f64 a sign for each entry; in f32, where noise drowns what is not along the gradient,
 * half of the gradient's entries with some of the signs, as long as the tensor is.
 */
export function direction(values: Tensor, slope: Tensor, precision: 'f64' | 'f32', seed: number, name: string): Float64Array {
  const drawn = signs(values.data.length, seed, name)
  if (precision === 'f64') return drawn
  const [size, steep] = [sizeOfMove(values), rms(slope.data)]
  // A gradient in few entries, as of an embedding, would move those too far.
  const along = (i: number) => Math.max(-3, Math.min(3, slope.data[i]! / steep))
  return drawn.map((sign, i) => size * (steep > 0 ? (sign > 0 ? along(i) : 0) + 0.3 * signAt(drawn, i + 1) : sign))
}

function signAt(drawn: Float64Array, i: number): number {
  return drawn[i % drawn.length]!
}

/** A move of a tensor's own size: its root mean square, and a hundredth where it is as good as zero. */
export function sizeOfMove({ data }: Tensor): number {
  return Math.max(rms(data), 0.01)
}

/** A tensor moved along a direction. */
export function moved({ data, ...type }: Tensor, along: Float64Array, by: number, precision: 'f64' | 'f32'): Tensor {
  const next = precision === 'f64' ? new Float64Array(data.length) : new Float32Array(data.length)
  for (let i = 0; i < data.length; i++) next[i] = data[i]! + by * along[i]!
  return { ...type, data: next }
}

/** Σ a·b. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/** Σ x². */
export function sumOfSquares(numbers: ArrayLike<number>): number {
  return dot(numbers, numbers)
}

/** Root mean square. */
export function rms(numbers: ArrayLike<number>): number {
  return numbers.length === 0 ? 0 : Math.sqrt(dot(numbers, numbers) / numbers.length)
}
