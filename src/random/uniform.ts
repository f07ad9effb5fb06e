/**
 * A number in [0, 1) that belongs to these integers and no others, so that random numbers need no state and no order.
 *
 * limits  53 bits; a, b, c and d count modulo 2³², the seed modulo 2⁶⁴
 * source  Philox4x32-10: Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3, doi:10.1145/2063384.2063405
 */
export function uniform(seed: number, a: number, b: number, c: number, d = 0): number {
  const [high, low] = philox([c >>> 0, b >>> 0, a >>> 0, d >>> 0], [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0])
  return (high * 2 ** 21 + (low >>> 11)) / 2 ** 53
}

type Block = readonly [number, number, number, number]

/** Ten rounds of Philox: a block of four 32-bit words that depends on every bit of counter and key. */
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

/** The upper 32 bits of a product of two 32-bit words; every step is below 2⁵³. */
function highWord(x: number, y: number): number {
  return Math.floor((x * (y >>> 16) + Math.floor((x * (y & 0xffff)) / 65536)) / 65536)
}
