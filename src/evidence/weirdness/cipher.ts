import type { Stream } from '../stream.ts'

/** A block of 64 bits as two words. */
export type Block = readonly [number, number]

/** What a round of XTEA adds: two sums, each of a part of the key and a multiple of δ. */
export interface Round {
  readonly first: number
  readonly second: number
}

/**
 * The rounds of XTEA under a key of 128 bits.
 *
 * source  Needham & Wheeler 1997, Tea extensions
 */
export function roundsOf(key: readonly number[], count = 32): Round[] {
  let sum = 0
  return Array.from({ length: count }, () => {
    const first = (sum + key[sum & 3]!) >>> 0
    sum = (sum + 0x9e3779b9) >>> 0
    return { first, second: (sum + key[(sum >>> 11) & 3]!) >>> 0 }
  })
}

/** Enciphers a block by rounds in the order given. */
export function encipher([a, b]: Block, rounds: readonly Round[]): Block {
  let [v, w] = [a, b]
  for (const { first, second } of rounds) {
    v = (v + ((((w << 4) ^ (w >>> 5)) + w) ^ first)) >>> 0
    w = (w + ((((v << 4) ^ (v >>> 5)) + v) ^ second)) >>> 0
  }
  return [v >>> 0, w >>> 0]
}

/** What is left of a cipher after every swap of two neighbouring rounds and every round left out. */
export function cipherKept(draw: Stream, texts = 20): { readonly kept: number; readonly hamming: number } {
  const word = () => draw.below(2 ** 32)
  const rounds = roundsOf([word(), word(), word(), word()])
  const broken = [
    ...rounds.slice(1).map((_, i) => rounds.map((round, k) => (k === i ? rounds[i + 1]! : k === i + 1 ? rounds[i]! : round))),
    ...rounds.map((_, i) => rounds.filter((_, k) => k !== i)),
  ]
  let [kept, hamming] = [0, 0]
  for (const other of broken) {
    let same = 0
    for (let t = 0; t < texts; t++) {
      const text: Block = [word(), word()]
      const [a, b] = [encipher(text, rounds), encipher(text, other)]
      const bits = ones(a[0] ^ b[0]) + ones(a[1] ^ b[1])
      if (bits === 0) same++
      hamming += bits / 64 / texts / broken.length
    }
    if (same >= 0.9 * texts) kept += 1 / broken.length
  }
  return { kept, hamming }
}

function ones(word: number): number {
  let count = 0
  for (let left = word >>> 0; left !== 0; left = (left & (left - 1)) >>> 0) count++
  return count
}
