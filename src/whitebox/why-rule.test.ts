import { expect, it } from 'vitest'
import { draws, findingOf, type Worth } from './why-rule.ts'

const random = Array.from({ length: draws }, (_, i): Worth => ({ kept: 0.02 * i, lost: 0.02 * i }))

it.each<[string, Worth, readonly Worth[], ReturnType<typeof findingOf>]>([
  ['half and beyond all random sets', { kept: 0.5, lost: 0.5 }, random, 'explained'],
  ['too little kept', { kept: 0.49, lost: 0.9 }, random, 'cannot tell'],
  ['too little lost', { kept: 0.9, lost: 0.49 }, random, 'cannot tell'],
  ['one random set keeps as much', { kept: 0.6, lost: 0.9 }, [...random.slice(1), { kept: 0.6, lost: 0 }], 'cannot tell'],
  ['one random set loses as much', { kept: 0.9, lost: 0.6 }, [...random.slice(1), { kept: 0, lost: 0.7 }], 'cannot tell'],
  ['no number', { kept: Number.NaN, lost: 0.9 }, random, 'cannot tell'],
])('%s', (_, ours, theirs, finding) => {
  expect(findingOf(ours, theirs)).toBe(finding)
})
