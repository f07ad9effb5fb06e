import { random } from '../random/index.ts'

/** Random numbers one after the other, for loops that draw millions of them. */
export interface Stream {
  /** A number in [0, 1), of 32 bits. */
  uniform(): number
  /** A whole number below `below`. */
  below(below: number): number
  /** A standard normal number. */
  normal(): number
}

/**
 * A stream that belongs to a seed and a name: sfc32, begun by the house's scheme, and Marsaglia's polar method on top.
 *
 * limits  a period of at least 2³², and 32 bits a number
 * source  Doty-Humphrey 2010, PractRand; Marsaglia and Bray 1964
 */
export function stream(seed: number, name: string): Stream {
  const start = random(seed, name).integers(3, 2 ** 32)
  let [a, b, c, counter] = [start[0]! | 0, start[1]! | 0, start[2]! | 0, 1]
  let spare = Number.NaN
  const word = () => {
    const t = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return t >>> 0
  }
  const uniform = () => word() / 4294967296
  for (let i = 0; i < 12; i++) word()
  return {
    uniform,
    below: (below) => Math.floor(uniform() * below),
    normal() {
      if (!Number.isNaN(spare)) {
        const z = spare
        spare = Number.NaN
        return z
      }
      for (;;) {
        const [u, v] = [2 * uniform() - 1, 2 * uniform() - 1]
        const square = u * u + v * v
        if (square >= 1 || square === 0) continue
        const scale = Math.sqrt((-2 * Math.log(square)) / square)
        spare = v * scale
        return u * scale
      }
    },
  }
}
