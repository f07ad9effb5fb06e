import { describe, expect, it } from 'vitest'
import { tableOf } from '../../runs/experiment.ts'
import { planted } from './planted.ts'

/** What a search over ten seeds came to: the seeds that recovered the plant, those with a smaller edit elsewhere, and the controls in which something was found. */
function decided(recovered: number, smaller: number, byChance: number) {
  const experiment = planted('any', { seeds: 10 })
  const trials = [...experiment.arms, ...experiment.controls].flatMap((arm) =>
    experiment.seeds.map((seed) => {
      const own = arm === 'rank 1'
      const numbers = {
        recovered: Number(own && seed < recovered),
        smaller: Number(own && seed >= 10 - smaller),
        found: Number(own || seed < byChance),
      }
      return { arm, seed, trial: 0, numbers }
    }),
  )
  return experiment.decide(tableOf(experiment, trials))
}

describe('planted edits', () => {
  it.each([
    [9, 0, 1, 'recovered', 0.9],
    [8, 1, 0, 'recovered', 0.9],
    [8, 0, 0, 'not recovered', 0.8],
    [10, 0, 2, 'not recovered', 1],
  ])('%i of 10 recovered, %i by a smaller edit, %i controls found: %s', (recovered, smaller, byChance, verdict, estimate) => {
    const { low, high, n, ...said } = decided(recovered, smaller, byChance)
    expect(said).toMatchObject({ verdict, estimate })
    expect(said.why).toBe(`${recovered} of 10 recovered with |cos| > 0.9, and ${smaller} by a smaller edit elsewhere; of the controls ${byChance} of 10 found`) // biome-ignore format: one line
    expect(n).toBe(10)
    expect(low).toBeLessThan(estimate)
    expect(high).toBeGreaterThanOrEqual(estimate)
  })
})
