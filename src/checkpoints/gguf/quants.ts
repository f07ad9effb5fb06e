import { halfNumbers } from '../half.ts'
import { iq2Grid } from './iq2-grid.ts'

/** A type that the weights of a GGUF file come in: numbers in blocks of equal size, each with its own scales. */
export interface GgmlType {
  /** Its number in the file. */
  readonly id: number
  /** Weights in a block. */
  readonly weights: number
  /** Bytes of a block. */
  readonly bytes: number
  /** Writes `blocks` blocks of `src` as f32 into `out`, from `at` on. */
  dequantize(src: Uint8Array, blocks: number, out: Float32Array, at: number): void
}

/**
 * The types that are read, by the name that llama.cpp gives them.
 *
 * source  ggml's block layouts, https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h
 */
export const ggmlTypes: Readonly<Record<string, GgmlType>> = {
  F32: {
    ...{ id: 0, weights: 1, bytes: 4 },
    dequantize(src, blocks, out, at) {
      new Uint8Array(out.buffer, out.byteOffset + 4 * at, 4 * blocks).set(src.subarray(0, 4 * blocks))
    },
  },
  F16: {
    ...{ id: 1, weights: 1, bytes: 2 },
    dequantize(src, blocks, out, at) {
      const half = halfNumbers()
      for (let i = 0; i < blocks; i++) out[at + i] = half[src[2 * i]! | (src[2 * i + 1]! << 8)]!
    },
  },
  BF16: {
    ...{ id: 30, weights: 1, bytes: 2 },
    dequantize(src, blocks, out, at) {
      const bits = new Uint32Array(out.buffer, out.byteOffset, out.length)
      for (let i = 0; i < blocks; i++) bits[at + i] = (src[2 * i]! << 16) | (src[2 * i + 1]! << 24)
    },
  },
  Q8_0: {
    ...{ id: 8, weights: 32, bytes: 34 },
    dequantize(src, blocks, out, at) {
      const half = halfNumbers()
      const signed = new Int8Array(src.buffer, src.byteOffset, src.length)
      for (let block = 0, from = 0, to = at; block < blocks; block++, from += 34, to += 32) {
        const d = half[src[from]! | (src[from + 1]! << 8)]!
        for (let i = 0; i < 32; i++) out[to + i] = d * signed[from + 2 + i]!
      }
    },
  },
  Q4_0: {
    ...{ id: 2, weights: 32, bytes: 18 },
    dequantize(src, blocks, out, at) {
      const half = halfNumbers()
      for (let block = 0, from = 0, to = at; block < blocks; block++, from += 18, to += 32) {
        const d = half[src[from]! | (src[from + 1]! << 8)]!
        for (let i = 0; i < 16; i++) {
          const q = src[from + 2 + i]!
          out[to + i] = d * ((q & 15) - 8)
          out[to + 16 + i] = d * ((q >> 4) - 8)
        }
      }
    },
  },
  Q4_1: {
    ...{ id: 3, weights: 32, bytes: 20 },
    dequantize(src, blocks, out, at) {
      const half = halfNumbers()
      for (let block = 0, from = 0, to = at; block < blocks; block++, from += 20, to += 32) {
        const d = half[src[from]! | (src[from + 1]! << 8)]!
        const m = half[src[from + 2]! | (src[from + 3]! << 8)]!
        for (let i = 0; i < 16; i++) {
          const q = src[from + 4 + i]!
          out[to + i] = d * (q & 15) + m
          out[to + 16 + i] = d * (q >> 4) + m
        }
      }
    },
  },
  Q5_0: {
    ...{ id: 6, weights: 32, bytes: 22 },
    dequantize(src, blocks, out, at) {
      const half = halfNumbers()
      for (let block = 0, from = 0, to = at; block < blocks; block++, from += 22, to += 32) {
        const d = half[src[from]! | (src[from + 1]! << 8)]!
        const high = word(src, from + 2)
        for (let i = 0; i < 16; i++) {
          const q = src[from + 6 + i]!
          out[to + i] = d * (((q & 15) | (((high >>> i) & 1) << 4)) - 16)
          out[to + 16 + i] = d * (((q >> 4) | (((high >>> (i + 16)) & 1) << 4)) - 16)
        }
      }
    },
  },
  Q5_1: {
    ...{ id: 7, weights: 32, bytes: 24 },
    dequantize(src, blocks, out, at) {
      const half = halfNumbers()
      for (let block = 0, from = 0, to = at; block < blocks; block++, from += 24, to += 32) {
        const d = half[src[from]! | (src[from + 1]! << 8)]!
        const m = half[src[from + 2]! | (src[from + 3]! << 8)]!
        const high = word(src, from + 4)
        for (let i = 0; i < 16; i++) {
          const q = src[from + 8 + i]!
          out[to + i] = d * ((q & 15) | (((high >>> i) & 1) << 4)) + m
          out[to + 16 + i] = d * ((q >> 4) | (((high >>> (i + 16)) & 1) << 4)) + m
        }
      }
    },
  },
  Q2_K: {
    ...{ id: 10, weights: 256, bytes: 84 },
    dequantize(src, blocks, out, at) {
      const half = halfNumbers()
      for (let block = 0, from = 0, to = at; block < blocks; block++, from += 84, to += 256) {
        const d = half[src[from + 80]! | (src[from + 81]! << 8)]!
        const min = half[src[from + 82]! | (src[from + 83]! << 8)]!
        for (let group = 0; group < 16; group++) {
          const scale = src[from + group]!
          const dl = d * (scale & 15)
          const ml = min * (scale >> 4)
          const q = from + 16 + 32 * (group >> 3) + 16 * (group & 1)
          const shift = 2 * ((group >> 1) & 3)
          for (let i = 0; i < 16; i++) out[to + 16 * group + i] = dl * ((src[q + i]! >> shift) & 3) - ml
        }
      }
    },
  },
  Q3_K: {
    ...{ id: 11, weights: 256, bytes: 110 },
    dequantize(src, blocks, out, at) {
      const half = halfNumbers()
      for (let block = 0, from = 0, to = at; block < blocks; block++, from += 110, to += 256) {
        const d = half[src[from + 108]! | (src[from + 109]! << 8)]!
        for (let group = 0; group < 16; group++) {
          const low = (src[from + 96 + (group & 7)]! >> (group < 8 ? 0 : 4)) & 15
          const high = (src[from + 104 + (group & 3)]! >> (2 * (group >> 2))) & 3
          const dl = d * ((low | (high << 4)) - 32)
          const q = from + 32 + 32 * (group >> 3) + 16 * (group & 1)
          const mask = from + 16 * (group & 1)
          const shift = 2 * ((group >> 1) & 3)
          const bit = group >> 1
          // The third bit says that nothing is taken off.
          for (let i = 0; i < 16; i++)
            out[to + 16 * group + i] = dl * (((src[q + i]! >> shift) & 3) - 4 * (((src[mask + i]! >> bit) & 1) ^ 1))
        }
      }
    },
  },
  Q4_K: {
    ...{ id: 12, weights: 256, bytes: 144 },
    dequantize(src, blocks, out, at) {
      const half = halfNumbers()
      for (let block = 0, from = 0, to = at; block < blocks; block++, from += 144, to += 256) {
        const d = half[src[from]! | (src[from + 1]! << 8)]!
        const min = half[src[from + 2]! | (src[from + 3]! << 8)]!
        for (let group = 0; group < 8; group++) {
          const dl = d * scaleOf(src, from + 4, group)
          const ml = min * minOf(src, from + 4, group)
          const q = from + 16 + 32 * (group >> 1)
          const shift = 4 * (group & 1)
          for (let i = 0; i < 32; i++) out[to + 32 * group + i] = dl * ((src[q + i]! >> shift) & 15) - ml
        }
      }
    },
  },
  Q5_K: {
    ...{ id: 13, weights: 256, bytes: 176 },
    dequantize(src, blocks, out, at) {
      const half = halfNumbers()
      for (let block = 0, from = 0, to = at; block < blocks; block++, from += 176, to += 256) {
        const d = half[src[from]! | (src[from + 1]! << 8)]!
        const min = half[src[from + 2]! | (src[from + 3]! << 8)]!
        for (let group = 0; group < 8; group++) {
          const dl = d * scaleOf(src, from + 4, group)
          const ml = min * minOf(src, from + 4, group)
          const q = from + 48 + 32 * (group >> 1)
          const shift = 4 * (group & 1)
          for (let i = 0; i < 32; i++)
            out[to + 32 * group + i] = dl * (((src[q + i]! >> shift) & 15) | (((src[from + 16 + i]! >> group) & 1) << 4)) - ml
        }
      }
    },
  },
  Q6_K: {
    ...{ id: 14, weights: 256, bytes: 210 },
    dequantize(src, blocks, out, at) {
      const half = halfNumbers()
      const signed = new Int8Array(src.buffer, src.byteOffset, src.length)
      for (let block = 0, from = 0, to = at; block < blocks; block++, from += 210, to += 256) {
        const d = half[src[from + 208]! | (src[from + 209]! << 8)]!
        for (let group = 0; group < 16; group++) {
          const dl = d * signed[from + 192 + group]!
          // Sixteen groups: two halves of 128, each four runs of 32, each two groups.
          const run = (group >> 1) & 3
          const low = from + 64 * (group >> 3) + 32 * (run & 1) + 16 * (group & 1)
          const high = from + 128 + 32 * (group >> 3) + 16 * (group & 1)
          const lowShift = 4 * (run >> 1)
          for (let i = 0; i < 16; i++)
            out[to + 16 * group + i] = dl * ((((src[low + i]! >> lowShift) & 15) | (((src[high + i]! >> (2 * run)) & 3) << 4)) - 32)
        }
      }
    },
  },
  IQ2_XXS: {
    ...{ id: 16, weights: 256, bytes: 66 },
    dequantize(src, blocks, out, at) {
      const half = halfNumbers()
      const [grid, minus] = [iq2Grid(), evenSigns()]
      for (let block = 0, from = 0, to = at; block < blocks; block++, from += 66, to += 256) {
        const d = half[src[from]! | (src[from + 1]! << 8)]!
        for (let group = 0; group < 8; group++) {
          const q = from + 2 + 8 * group
          const signs = word(src, q + 4)
          const dl = d * (0.5 + (signs >>> 28)) * 0.25
          for (let eight = 0; eight < 4; eight++) {
            const sign = 8 * ((signs >>> (7 * eight)) & 127)
            const point = 8 * src[q + eight]!
            const o = to + 32 * group + 8 * eight
            out[o] = dl * grid[point]! * minus[sign]!
            out[o + 1] = dl * grid[point + 1]! * minus[sign + 1]!
            out[o + 2] = dl * grid[point + 2]! * minus[sign + 2]!
            out[o + 3] = dl * grid[point + 3]! * minus[sign + 3]!
            out[o + 4] = dl * grid[point + 4]! * minus[sign + 4]!
            out[o + 5] = dl * grid[point + 5]! * minus[sign + 5]!
            out[o + 6] = dl * grid[point + 6]! * minus[sign + 6]!
            out[o + 7] = dl * grid[point + 7]! * minus[sign + 7]!
          }
        }
      }
    },
  },
}

/** Eight signs for every seven bits: the eighth makes the number of minus signs even. */
function evenSigns(): Float64Array {
  return (signsOfSeven ??= Float64Array.from({ length: 128 * 8 }, (_, i) => {
    const seven = i >> 3
    const ones = seven.toString(2).replaceAll('0', '').length
    const bit = (i & 7) === 7 ? ones & 1 : (seven >> (i & 7)) & 1
    return bit ? -1 : 1
  }))
}
let signsOfSeven: Float64Array | undefined

/** Types by their number in the file. */
export const ggmlById: ReadonlyMap<number, string> = new Map(Object.entries(ggmlTypes).map(([name, { id }]) => [id, name]))

function word(src: Uint8Array, at: number): number {
  return src[at]! | (src[at + 1]! << 8) | (src[at + 2]! << 16) | (src[at + 3]! << 24)
}

/** Of twelve bytes, eight scales of six bits: four whole, four with their upper two bits above the first four. */
function scaleOf(src: Uint8Array, at: number, group: number): number {
  return group < 4 ? src[at + group]! & 63 : (src[at + group + 4]! & 15) | ((src[at + group - 4]! >> 6) << 4)
}

function minOf(src: Uint8Array, at: number, group: number): number {
  return group < 4 ? src[at + group + 4]! & 63 : (src[at + group + 4]! >> 4) | ((src[at + group]! >> 6) << 4)
}
