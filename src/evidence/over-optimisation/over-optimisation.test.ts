import { describe, expect, it } from 'vitest'
import { stream } from '../stream.ts'
import { bestOfCurve, between } from './curves.ts'
import { advantages, drawn, slopeOf, train } from './policy.ts'
import { type NoisyReward, prompts, size, together, worldOf } from './world.ts'

const heavy: NoisyReward = { tail: 'heavy', members: 1, shared: 1, pessimism: 0, seesGold: true }

describe('a world', () => {
  it('has the mean gold that its samples have, and none at the reference', () => {
    const [world, draw] = [worldOf(heavy, 3), stream(3, 'samples')]
    const mean = Float64Array.from({ length: size }, (_, i) => 0.3 * i - 1)
    const said = Array.from({ length: 20_000 }, () => world.gold(2, drawn(mean, draw)))
    const [gold, variance] = moments(said)
    expect(Math.abs(gold - world.meanGold(2, mean))).toBeLessThan(4 * Math.sqrt(variance / said.length))
    expect(world.meanGold(2, new Float64Array(size))).toBe(0)
  })

  it('has no error where there is none, and the same gold whatever the reward', () => {
    const y = drawn(new Float64Array(size), stream(0, 'one'))
    const [plain, noisy] = [worldOf({ ...heavy, tail: 'none' }, 5), worldOf(heavy, 5)]
    expect(plain.score(1, y)).toBe(plain.gold(1, y))
    expect(noisy.gold(1, y)).toBe(plain.gold(1, y))
    expect(noisy.score(1, y)).not.toBe(plain.gold(1, y))
  })

  it('has an error whose tails are heavier than a normal one’s', () => {
    const kurtosis = (tail: NoisyReward['tail']) => {
      const [world, draw] = [worldOf({ ...heavy, tail }, 1), stream(1, 'tails')]
      const errors = Array.from({ length: 20_000 }, () => {
        const y = drawn(new Float64Array(size), draw)
        return world.score(0, y) - world.gold(0, y)
      })
      return errors.reduce((sum, e) => sum + e ** 4, 0) / errors.length / (errors.reduce((sum, e) => sum + e ** 2, 0) / errors.length) ** 2
    }
    // Of a normal law 3; of its cube E z¹² / (E z⁶)² = 10395 / 225 = 46.2, which a sample underestimates.
    expect(Math.abs(kurtosis('normal') - 3)).toBeLessThan(0.3)
    expect(kurtosis('heavy')).toBeGreaterThan(20)
  })
})

describe('an ensemble', () => {
  it('is one score', () => {
    expect(together([1, 3], 0)).toBe(2)
    expect(together([1, 3], 1)).toBeCloseTo(2 - Math.SQRT2, 12)
    expect(together([1, 3], 'worst')).toBe(1)
    expect(together([7], 2)).toBe(7)
  })
})

describe('the policy gradient', () => {
  it('has advantages of mean 0 and deviation 1, V-PG-1', () => {
    expect(advantages([1, 0, 0, 1, 1, 0, 0, 0]).map((a) => Number(a.toFixed(6))).slice(0, 2)).toEqual([1.207381, -0.724429]) // biome-ignore format: one line
  })

  it('is the slope of the mean of −advantage · log-probability', () => {
    const draw = stream(0, 'slope')
    const mean = Float64Array.from({ length: size }, () => draw.normal())
    const said = Array.from({ length: 5 }, () => drawn(mean, draw))
    const advantage = advantages([3, 1, 4, 1, 5])
    const loss = (m: Float64Array) =>
      said.reduce((sum, y, k) => sum + advantage[k]! * 0.5 * y.reduce((all, x, i) => all + (x - m[i]!) ** 2, 0), 0) / said.length
    const slope = slopeOf(mean, said, advantage)
    for (const i of [0, 3, size - 1]) {
      const moved = (by: number) => loss(mean.map((m, j) => (j === i ? m + by : m)))
      expect(slope[i]).toBeCloseTo((moved(1e-5) - moved(-1e-5)) / 2e-5, 7)
    }
  })

  it('raises gold where the reward is gold, and moves from the reference', () => {
    const world = worldOf({ ...heavy, tail: 'none' }, 0)
    const looks = train(world, { steps: 60, group: 8, rate: 0.02, every: 60, seen: 1, furthest: 100 }, stream(0, 'train'))
    expect(looks[0]).toMatchObject({ kl: 0, gold: 0 })
    // The most there is: ½|w|² of each prompt, at y = w.
    expect(looks[1]!.gold).toBeGreaterThan(3)
    expect(looks[1]!.seen.score).toHaveLength(prompts)
  })
})

describe('curves', () => {
  it('are read between points, and end with the last', () => {
    expect(between([0, 1, 3], [0, 10, 30], 2)).toBe(20)
    expect(between([0, 1], [5, 6], 0)).toBe(5)
    expect(between([0, 1], [5, 6], 9)).toBe(6)
  })

  it('of the best of n with an error fall, and count from the reference', () => {
    const numbers = bestOfCurve(worldOf(heavy, 0), stream(0, 'curve'))
    expect(numbers['gold, best of 1']).toBe(0)
    expect(numbers['lost, best of n']).toBeGreaterThan(0.1)
    expect(numbers['r2, best of n']).toBeGreaterThan(0.8)
  })
})

function moments(values: readonly number[]): [mean: number, variance: number] {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  return [mean, values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (values.length - 1)]
}
