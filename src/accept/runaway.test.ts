import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type RewardLook, runaway } from './runaway.ts'

const around = (estimate: number, half = 0.1) => ({ estimate, low: estimate - half, high: estimate + half })
const looks = (reward: readonly number[], gold: readonly number[], half = 0.1): RewardLook[] =>
  reward.map((x, i) => ({ reward: around(x), gold: around(gold[i]!, half) }))

describe('a reward that runs away', () => {
  it('is seen where it rises and gold falls, with the look at which gold was highest', () => {
    const seen = looks([0, 1, 2, 3, 4, 5], [0, 1, 2, 1.8, 1.5, 1])
    expect(runaway(seen, 3)).toMatchObject({
      best: 2,
      fired: 5,
      why: expect.stringContaining('gold fell from 2 [1.9, 2.1] to 1 [0.9, 1.1]'),
    })
    expect(runaway(seen.slice(0, 5), 3)).toBeUndefined()
  })

  it.each([
    ['gold goes on rising', looks([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])],
    ['the reward falls with gold: training goes wrong, but not by the reward', looks([0, 3, 2, 1, 0], [0, 3, 2, 1, 0])],
    ['gold falls by less than its intervals', looks([0, 1, 2, 3, 4], [0, 2, 1.9, 1.8, 1.7], 0.3)],
    ['one look of three had more gold', looks([0, 1, 2, 3, 4], [0, 2, 1, 2.1, 1])],
    ['there are too few looks', looks([0, 1, 2], [2, 1, 0])],
    ['there is none', []],
  ])('is not where %s', (_, seen) => {
    expect(runaway(seen, 3)).toBeUndefined()
  })

  it('is never seen where the reward is gold', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -10, max: 10, noNaN: true }), { maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        (gold, patience) => {
          expect(runaway(looks(gold, gold), patience)).toBeUndefined()
        },
      ),
    )
  })
})
