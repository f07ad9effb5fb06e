/** Four words of 32 bits. */
export type Block = readonly [number, number, number, number]

/**
 * Ten rounds of Philox4x32: a block of four words of 32 bits that depends on every bit of counter and key.
 *
 * source  Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3, doi:10.1145/2063384.2063405
 */
export function philox(counter: Block, key: readonly [number, number]): Block {
  let [a, b, c, d] = counter
  let [k, l] = key
  for (let round = 0; round < 10; round++) {
    const [high, low] = [highWord(0xd2511f53, a), Math.imul(0xd2511f53, a)]
    const [otherHigh, otherLow] = [highWord(0xcd9e8d57, c), Math.imul(0xcd9e8d57, c)]
    a = (otherHigh ^ b ^ k) >>> 0
    b = otherLow >>> 0
    c = (high ^ d ^ l) >>> 0
    d = low >>> 0
    k = (k + 0x9e3779b9) >>> 0
    l = (l + 0xbb67ae85) >>> 0
  }
  return [a, b, c, d]
}

/** The upper 32 bits of a product of two words of 32 bits; every step is below 2⁵³. */
function highWord(x: number, y: number): number {
  return Math.floor((x * (y >>> 16) + Math.floor((x * (y & 0xffff)) / 65536)) / 65536)
}
