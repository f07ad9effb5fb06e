import { expect, it } from 'vitest'
import { type HeldOutPair, heldOutPairs } from './held-out-pairs.ts'

const pair = (a: number, b: number, forA: number, forB: number): HeldOutPair => ({ logRatios: [a, b], votes: [forA, forB] })

it('the better side by the votes counts, ties are left out, and displacement is above 0 where it fell', () => {
  const prompts = [[pair(1, -1, 3, 0)], [pair(-4, -6, 0, 1)], [pair(2, 2, 1, 0)], [pair(9, 0, 1, 1)]]
  const { preferenceAccuracy, displacement } = heldOutPairs(prompts)
  // Right, wrong, and neither: (1 + 0 + ½)/3. What was chosen moved by 1, −6 and 2.
  expect(preferenceAccuracy).toMatchObject({ estimate: 0.5, n: 3, unit: 'share' })
  expect(displacement).toMatchObject({ estimate: expect.closeTo((-1 + 6 - 2) / 3, 12), n: 3, unit: 'nats', cannotTell: expect.any(String) })
})

it('both fall by the same: the accuracy is that of the margin, and displacement alone sees it', () => {
  const prompts = Array.from({ length: 30 }, (_, i) => [pair(-10 + (i % 3), -20 - (i % 4), 1, 0)])
  const { preferenceAccuracy, displacement } = heldOutPairs(prompts)
  expect(preferenceAccuracy.estimate).toBe(1)
  expect(displacement.low).toBeGreaterThan(8)
  expect(displacement.cannotTell).toBeUndefined()
})

it('without two prompts that are decided both cannot tell', () => {
  for (const seen of Object.values(heldOutPairs([[pair(1, 0, 1, 1)], [pair(1, 0, 1, 0)]])))
    expect(seen.cannotTell).toMatch(/1 prompts have a pair/)
})
