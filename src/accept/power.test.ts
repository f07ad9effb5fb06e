import { describe, expect, it } from 'vitest'
import { random } from '../random/index.ts'
import { boundedMean } from './bounded-mean.ts'
import { tail } from './mean-interval.ts'
import { powerOf, sayPower } from './power.ts'

describe('what looks can tell', () => {
  // scipy 1.17: beta.ppf for the least number of wins, binom.sf for its probability.
  it.each([
    [[76], 0.3306386349],
    [[76, 76], 0.1093219069],
    [[260, 260], 0.7834337279],
    [[259], 0.8949942404],
  ])('of %j prompts, a win rate of 0.6 from 0.5: %d', (looks, wanted) => {
    expect(powerOf(0.5, looks).probability).toBeCloseTo(wanted, 9)
  })

  it('is what simulated looks come to, within three standard errors', () => {
    const source = random(3, 'power')
    const [runs, n, bound, truth] = [1000, 60, 0.5, 0.6]
    let both = 0
    for (let run = 0; run < runs; run++) {
      const look = (which: number) => Array.from({ length: n }, (_, i) => (source.uniform(run, which * n + i) < truth ? 1 : 0))
      if ([0, 1].every((which) => boundedMean(look(which), [0, 1], tail)[0] >= bound)) both++
    }
    const { probability } = powerOf(bound, [n, n])
    expect(Math.abs(both / runs - probability)).toBeLessThan(3 * Math.sqrt((probability * (1 - probability)) / runs))
  })

  it('names a number of prompts that is enough, where one fewer is not', () => {
    const { prompts } = powerOf(0.5, [76, 76])
    expect(powerOf(0.5, [prompts, prompts]).probability).toBeGreaterThanOrEqual(0.8)
    expect(powerOf(0.5, [prompts - 1, prompts - 1]).probability).toBeLessThan(0.8)
  })

  it('says it in a sentence, with a remedy where it is low', () => {
    expect(sayPower('win rate', [76, 76], powerOf(0.5, [76, 76]))).toBe(
      'both looks at 76 prompts tell a win rate of 0.6 from 0.5 with probability 0.11; have 272 in each for 0.8',
    )
    expect(sayPower('win rate', [400, 512], powerOf(0.5, [400, 512]))).toMatch(/^looks at 400 and 512 prompts .* with probability 0\.9\d$/)
  })

  it('near the end of the range the truth is half way to it', () => {
    expect(powerOf(0.95, [50, 50]).truth).toBeCloseTo(0.975, 12)
  })
})
