import { describe, expect, it } from 'vitest'
import { stream } from '../stream.ts'
import { generations, jumpAt, world } from './generations.ts'
import { channelBits, hintonNowlan } from './hinton-nowlan.ts'
import { publishedFrequencies } from './hinton-nowlan-table.ts'

describe('V-CULT-1', () => {
  it('a demonstration with one error in ten carries 0.531 bits, a coin none', () => {
    expect(channelBits(0.1)).toBeCloseTo(0.5310044064, 10)
    expect(channelBits(0.5)).toBe(0)
    expect(channelBits(0)).toBe(1)
  })
})

describe('V-HN-1', () => {
  const runs = Array.from({ length: 3 }, (_, seed) => hintonNowlan(stream(seed, 'hinton-nowlan test'), 60))

  it.each(publishedFrequencies.filter(({ generation }) => generation === 0 || generation >= 20))('generation $generation', (published) => {
    for (const name of ['right', 'undecided'] as const) {
      const mean = runs.reduce((sum, run) => sum + run[published.generation]![name] / runs.length, 0)
      const [wanted, sd] = published[name]
      expect(Math.abs(mean - wanted)).toBeLessThan(3 * sd * Math.sqrt(1 / runs.length + 1 / 30))
    }
  })

  it('shares are of all alleles, and without learning none is undecided', () => {
    for (const { wrong, right, undecided } of runs[0]!) expect(wrong + right + undecided).toBeCloseTo(1, 12)
    expect(hintonNowlan(stream(0, 'needle'), 1, false).map(({ undecided }) => undecided)).toEqual([0, 0])
  })
})

describe('generations', () => {
  it('the jump of a curve that bends is the bend', () => {
    const bent = Float64Array.from({ length: 60 }, (_, i) => (i < 30 ? 0.01 * i : 0.3 + 0.03 * (i - 30)))
    expect(jumpAt(bent, 31)).toBeCloseTo(0.2, 12)
    expect(jumpAt(bent, 15)).toBeCloseTo(0, 12)
  })

  it('what is never deleted keeps all, and lessons that are coins change nothing', () => {
    const last = world.generations - 1
    expect(generations({ kind: 'weights' }, stream(0, 'g')).skill[last]).toBeGreaterThan(0.97)
    const [plain, coins] = [generations({ kind: 'genes' }, stream(0, 'g')), generations({ kind: 'genes', lessons: 99, noise: 0.5 }, stream(0, 'g'))] // biome-ignore format: one line
    expect(coins).toEqual(plain)
  })
})
