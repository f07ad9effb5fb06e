import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { philox, uniform } from './uniform.ts'

describe('philox', () => {
  const ones = 0xffffffff
  it.each([
    [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [[ones, ones, ones, ones], [ones, ones], '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], 'd16cfe09 94fdcceb 5001e420 24126ea1'],
  ] as const)('says what Random123 says for %j %j', (counter, key, words) => {
    expect(
      philox(counter, key)
        .map((word) => word.toString(16).padStart(8, '0'))
        .join(' '),
    ).toBe(words)
  })
})

// A p of 0.0005 on either side, by Wilson and Hilferty's normal approximation of chi-square.
const limit = 3.3
const surprise = (counts: ArrayLike<number>) => {
  const cells = Array.from(counts)
  const expected = cells.reduce((a, b) => a + b) / cells.length
  const degrees = cells.length - 1
  const square = cells.reduce((total, n) => total + (n - expected) ** 2 / expected, 0)
  return Math.abs(((square / degrees) ** (1 / 3) - (1 - 2 / (9 * degrees))) / Math.sqrt(2 / (9 * degrees)))
}

describe('uniform', () => {
  it.each<[string, (i: number) => [number, number, number, number]]>([
    ['seeds', (i) => [i, 0, 0, 0]],
    ['prompts', (i) => [1, i, 0, 0]],
    ['completions', (i) => [2, 0, i, 0]],
    ['tokens', (i) => [3, 0, 0, i]],
    ['seed, then token', (i) => [i >> 6, 4, 1, i & 63]],
    ['prompt, then completion', (i) => [5, i >> 2, i & 3, 0]],
  ])('is even, and tells nothing of its neighbour, along %s', (_, at) => {
    const drawn = Float64Array.from({ length: 40_000 }, (_, i) => uniform(...at(i)))
    const [single, pairs, lowBits] = [new Uint32Array(100), new Uint32Array(256), new Uint32Array(64)]
    let product = 0
    drawn.forEach((u, i) => {
      single[Math.floor(u * 100)]!++
      lowBits[(u * 2 ** 32) & 63]!++
      const next = drawn[i + 1]
      if (next === undefined) return
      product += 12 * (u - 0.5) * (next - 0.5)
      if (i % 2 === 0) pairs[Math.floor(u * 16) * 16 + Math.floor(next * 16)]!++
    })
    for (const counts of [single, pairs, lowBits]) expect(surprise(counts)).toBeLessThan(limit)
    expect(Math.abs(product) / Math.sqrt(drawn.length)).toBeLessThan(limit)
  })

  it('is another number for every other place', () => {
    const seen = new Set<number>()
    for (let seed = 0; seed < 4; seed++)
      for (let a = 0; a < 32; a++) for (let b = 0; b < 8; b++) for (let c = 0; c < 64; c++) seen.add(uniform(seed, a, b, c))
    expect(seen.size).toBe(4 * 32 * 8 * 64)
  })

  it('stays in [0, 1) and takes any whole seed', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.nat(), (seed, token) => {
        const u = uniform(seed, 0, 0, token)
        expect(u >= 0 && u < 1).toBe(true)
        expect(u).not.toBe(uniform(seed < 0 ? seed + 2 ** 32 : seed - 2 ** 32, 0, 0, token))
      }),
    )
  })
})
