import { describe, expect, it } from 'vitest'
import { halfNumbers, toBrain, toHalf, toHalves } from './half.ts'

const bits = new Uint32Array(1)
const number = new Float32Array(bits.buffer)
const bitsOf = (x: number) => {
  number[0] = x
  return bits[0]!
}
const brainNumber = (brain: number) => {
  bits[0] = brain << 16
  return number[0]!
}
/** The next f32 up, of a positive one. */
const nextUp = (x: number, steps = 1) => {
  bits[0] = bitsOf(x) + steps
  return number[0]!
}

describe.each([
  ['halves', toHalf, (i: number) => halfNumbers()[i]!, 0x7c00],
  ['brain floats', toBrain, brainNumber, 0x7f80],
] as const)('%s', (_, narrow, numberOf, infinity) => {
  it('each is itself, and so is its negative', () => {
    const wrong = Array.from({ length: infinity + 1 }, (_, i) => i).filter(
      (i) => narrow(bitsOf(numberOf(i))) !== i || narrow(bitsOf(-numberOf(i))) !== (i | 0x8000),
    )
    expect(wrong).toEqual([])
  })

  it('between two neighbours the nearer one is taken, in the middle the even one', () => {
    const wrong: number[] = []
    for (let i = 0; i < infinity - 1; i++) {
      const middle = Math.fround((numberOf(i) + numberOf(i + 1)) / 2)
      if (narrow(bitsOf(middle)) !== i + (i % 2)) wrong.push(i)
      if (narrow(bitsOf(nextUp(middle))) !== i + 1) wrong.push(i)
      if (narrow(bitsOf(nextUp(middle, -1))) !== i) wrong.push(i)
    }
    expect(wrong).toEqual([])
  })

  it('beyond the largest is infinity, and NaN stays NaN', () => {
    const largest = numberOf(infinity - 1)
    const step = largest - numberOf(infinity - 2)
    expect(narrow(bitsOf(Math.fround(largest + step / 2)))).toBe(infinity)
    expect(narrow(bitsOf(nextUp(Math.fround(largest + step / 2), -1)))).toBe(infinity - 1)
    expect(narrow(bitsOf(Number.POSITIVE_INFINITY))).toBe(infinity)
    for (const nan of [0x7fc0_0000, 0x7f80_0001, 0x7fff_ffff, 0xff80_0001]) {
      const narrowed = narrow(nan)
      expect(narrowed & infinity).toBe(infinity)
      expect(narrowed & ~infinity & 0x7fff).not.toBe(0)
    }
  })
})

it('many halves are those that each number gives, and the first number beyond them is told', () => {
  const edges = [0, 0x3f80_0000, 0x387f_ffff, 0x3880_0000, 0x3880_1000, 0x3880_3000, 0x477f_efff, 0x7f80_0000, 0x7fc0_0000, 1, 0x3300_0001]
  const spread = Array.from({ length: 20_000 }, (_, i) => (i * 0x9e37_79b1) >>> 0)
  const all = Uint32Array.from([...edges, ...edges.map((x) => (x | 0x8000_0000) >>> 0), ...spread])
  const halves = new Uint16Array(all.length)
  const beyond = toHalves(all, halves)
  expect([...halves]).toEqual([...all].map((x) => toHalf(x)))
  expect(beyond).toBe([...all].findIndex((x) => (x & 0x7fff_ffff) >= 0x477f_f000 && (x & 0x7fff_ffff) < 0x7f80_0000))
  expect(toHalves(all.subarray(0, edges.length), halves)).toBe(-1)
})
