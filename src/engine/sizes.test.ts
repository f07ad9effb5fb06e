import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { inSizes, primesBeside } from './sizes.ts'

const sizes = { B: 3, T: 7, P: 26, S: 33 - 4 }

describe('inSizes', () => {
  it.each([
    ['a size', 7, 1, ['T']],
    ['a whole number times a size', 42 * 5, 10, ['B', 'T']],
    ['a product of sizes', 3 * 29, 1, ['B', 'S']],
    ['a square', 9 * 4, 4, ['B', 'B']],
    ['a size that is not prime', 26, 1, ['P']],
    ['a multiple of a size that is not prime', 52, 52, []],
    ['none', 64, 64, []],
    ['one', 1, 1, []],
    ['zero', 0, 0, []],
    ['an axis from the end', -1, -1, []],
  ] as const)('%s', (_, n, whole, of) => expect(inSizes(n, sizes)).toEqual({ whole, of }))

  it('a product is told from what it was made of, whatever the numbers of the model are', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4096 }), { maxLength: 12 }), fc.integer({ min: 0, max: 7 }), (numbers, parts) => {
        const [B, T, S] = primesBeside(numbers, 1024) as [number, number, number]
        const all = { B, T, S }
        const of = (['B', 'T', 'S'] as const).filter((_, i) => (parts >> i) & 1)
        const whole = numbers[0] ?? 1
        expect(inSizes(of.reduce((n, name) => n * all[name], whole), all)).toEqual({ whole, of }) // biome-ignore format: one line
      }),
    )
  })
})

it('primesBeside: primes that are no axis and divide none of the numbers', () => {
  expect(primesBeside([0, 1, 26, 64], 24)).toEqual([11, 17, 19, 23])
})
