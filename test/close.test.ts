import { expect, it } from 'vitest'
import { difference, expectClose } from './close.ts'
import { tolerances } from './tolerances.ts'

const tolerance = { absolute: 0.1, relative: 0, why: 'a test' }

it('closeness names the worst entry, both numbers and how many fail', () => {
  expect(difference([1, 2, 3, 4.5], [1, 2.05, 3.5, 4], [2, 2], tolerance)).toBe(
    '2 of 4 entries differ by more than 0.1 (a test); worst at [1, 0]: got 3, wanted 3.5, difference 0.5',
  )
  expect(difference([1, 2], [1.1, 2], [2], { absolute: 0.01, relative: 0.1, why: 'a test' })).toBeUndefined()
})

it('NaN is close to nothing, infinities to themselves, and shapes must agree', () => {
  expect(difference([Number.NaN], [0], [1], tolerance)).toContain('got NaN, wanted 0')
  expect(difference([0], [Number.NaN], [1], tolerance)).toContain('got 0, wanted NaN')
  expect(difference([-Infinity], [-Infinity], [1], tolerance)).toBeUndefined()
  expect(difference([0, 5], [0, 5], [2], tolerances.exact)).toBeUndefined()
  expect(difference([0, 5], [0, 5 + 1e-12], [2], tolerances.exact)).toContain('differ by more than 0 ')
  expect(() => expectClose({ shape: [2, 1], data: [1, 2] }, { shape: [1, 2], data: [1, 2] }, tolerance)).toThrow('shape')
  expect(() => expectClose([1], [1, 2], tolerance)).toThrow('shape')
})
