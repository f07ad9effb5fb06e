import { type Shape, sizeOf, type Tensor } from '../src/graph/tensor.ts'
import type { SampleRng } from '../src/graph/value.ts'

/** Seeded inputs for ops' samples (mulberry32). */
export function sampleRng(seed: number): SampleRng {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return {
    f32: (shape: Shape, low = -2, high = 2): Tensor => ({
      dtype: 'f32',
      shape,
      data: Float32Array.from({ length: sizeOf(shape) }, () => low + (high - low) * next()),
    }),
    index: (shape: Shape, below: number): Tensor => ({
      dtype: 'i32',
      shape,
      data: Int32Array.from({ length: sizeOf(shape) }, () => Math.floor(next() * below)),
    }),
  }
}
