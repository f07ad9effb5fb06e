import { toBrain, toHalf } from './half.ts'

/** How weights are written to a file: numbers and bytes of a block, and what turns one into the other. */
export interface Encoding {
  readonly weights: number
  readonly bytes: number
  /** Writes the blocks of `data` from `from` to `to` into `out`. */
  encode(data: Float32Array, from: number, to: number, out: Uint8Array): void
}

/** Types that are written. Halves and brain floats are rounded to nearest, ties to even. */
export const encodings = {
  F32: {
    ...{ weights: 1, bytes: 4 },
    encode(data, from, to, out) {
      const part = data.subarray(from, to)
      out.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength))
    },
  },
  F16: { ...{ weights: 1, bytes: 2 }, encode: (data, from, to, out) => inTwoBytes(toHalf, data, from, to, out) },
  BF16: { ...{ weights: 1, bytes: 2 }, encode: (data, from, to, out) => inTwoBytes(toBrain, data, from, to, out) },
  Q8_0: {
    ...{ weights: 32, bytes: 34 },
    encode(data, from, to, out) {
      const { fround, abs, floor } = Math
      const bits = new Uint32Array(1)
      const scale = new Float32Array(bits.buffer)
      for (let at = from, block = 0; at < to; at += 32, block += 34) {
        let most = 0
        for (let i = 0; i < 32; i++) most = Math.max(most, abs(data[at + i]!))
        const d = fround(most / 127)
        const inverse = d === 0 ? 0 : fround(1 / d)
        scale[0] = d
        const half = toHalf(bits[0]!)
        out[block] = half
        out[block + 1] = half >> 8
        for (let i = 0; i < 32; i++) {
          // Halves go away from zero.
          const x = fround(data[at + i]! * inverse)
          const rounded = floor(abs(x)) + floor(2 * (abs(x) - floor(abs(x))))
          out[block + 2 + i] = x < 0 ? -rounded : rounded
        }
      }
    },
  },
  Q4_0: {
    ...{ weights: 32, bytes: 18 },
    encode(data, from, to, out) {
      const { fround, abs, min, trunc } = Math
      const bits = new Uint32Array(1)
      const scale = new Float32Array(bits.buffer)
      for (let at = from, block = 0; at < to; at += 32, block += 18) {
        let most = 0
        for (let i = 0; i < 32; i++) if (abs(data[at + i]!) > abs(most)) most = data[at + i]!
        const d = fround(most / -8)
        const inverse = d === 0 ? 0 : fround(1 / d)
        scale[0] = d
        const half = toHalf(bits[0]!)
        out[block] = half
        out[block + 1] = half >> 8
        const whole = (i: number) => min(15, trunc(fround(fround(data[at + i]! * inverse) + 8.5)))
        for (let i = 0; i < 16; i++) out[block + 2 + i] = whole(i) | (whole(i + 16) << 4)
      }
    },
  },
} as const satisfies Record<string, Encoding>

function inTwoBytes(narrow: (f32: number) => number, data: Float32Array, from: number, to: number, out: Uint8Array) {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length)
  for (let i = from, at = 0; i < to; i++, at += 2) {
    const two = narrow(bits[i]!)
    out[at] = two
    out[at + 1] = two >> 8
  }
}
