import { createHash } from 'node:crypto'
import { type Block, philox } from './philox.ts'

/**
 * Random numbers that belong to a seed and a name. There is no state: the same call gives the same numbers, in any order and any process.
 * Each method has numbers of its own, so two methods of one source share none.
 */
export interface Random {
  /**
   * A number in [0, 1) that belongs to this place and no other.
   *
   * limits  53 bits; each part of the place counts modulo 2³²
   */
  uniform(a?: number, b?: number, c?: number, d?: number): number
  /**
   * Whole numbers below `below`, each equally likely.
   *
   * limits  below is at most 2³²; a number is more likely than another by at most below / 2³²
   */
  integers(count: number, below: number, place?: number): Uint32Array
  /**
   * Numbers from the standard normal distribution.
   *
   * limits  none is beyond 6.8, since a radius is drawn from 32 bits
   * source  Box and Muller 1958
   */
  normals(count: number, place?: number): Float64Array
  /**
   * The items in an order drawn at random, every order equally likely.
   *
   * source  Fisher and Yates
   */
  shuffled<T>(items: readonly T[]): T[]
}

/**
 * The one source of random numbers: Philox4x32-10 with a key from the SHA-256 of seed and name. Another name gives other numbers, and so does a
 * neighbouring seed.
 */
export function random(seed: number, name: string): Random {
  const digest = createHash('sha256').update(`${seed}\n${name}`).digest()
  const key = (method: number) => [digest.readUInt32LE(8 * method), digest.readUInt32LE(8 * method + 4)] as const
  const [forUniform, forIntegers, forNormals, forOrder] = [key(0), key(1), key(2), key(3)]
  return {
    uniform: (a = 0, b = 0, c = 0, d = 0) => fraction(philox([a >>> 0, b >>> 0, c >>> 0, d >>> 0], forUniform)),

    integers(count, below, place = 0) {
      const drawn = new Uint32Array(count)
      for (let i = 0; i < count; i += 4) {
        const words = philox([i / 4, place >>> 0, 0, 0], forIntegers)
        for (let j = i; j < Math.min(i + 4, count); j++) drawn[j] = Math.floor((words[j - i]! * below) / 2 ** 32)
      }
      return drawn
    },

    normals(count, place = 0) {
      const drawn = new Float64Array(count)
      for (let i = 0; i < count; i += 4) {
        const words = philox([i / 4, place >>> 0, 0, 0], forNormals)
        for (const pair of [0, 2]) {
          const radius = Math.sqrt(-2 * Math.log((words[pair]! + 0.5) / 2 ** 32))
          const angle = (2 * Math.PI * words[pair + 1]!) / 2 ** 32
          // Writing past the end of a typed array does nothing.
          drawn[i + pair] = radius * Math.cos(angle)
          drawn[i + pair + 1] = radius * Math.sin(angle)
        }
      }
      return drawn
    },

    shuffled(items) {
      const order = [...items]
      for (let i = order.length - 1; i > 0; i--) {
        const j = Math.floor(fraction(philox([i, 0, 0, 0], forOrder)) * (i + 1))
        ;[order[i], order[j]] = [order[j]!, order[i]!]
      }
      return order
    },
  }
}

/** A seed for one part of the work, so that no two parts share random numbers: a whole number below 2³¹. */
export function seedFor(seed: number, name: string): number {
  return Math.floor(random(seed, name).uniform() * 2 ** 31)
}

function fraction([high, low]: Block): number {
  return (high * 2 ** 21 + (low >>> 11)) / 2 ** 53
}
