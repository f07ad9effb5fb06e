import { describe, expect, it } from 'vitest'
import { random } from '../random/index.ts'
import { alarmsOf } from './alarms/index.ts'
import type { Look } from './look.ts'
import { lengthInReward } from './seen-of-reward.ts'

const draw = random(1, 'samples')

/** Completions of 40 prompts, four each, with a length and a quality that longer ones have more of. */
function side(name: string): Look['before'] {
  const drawn = random(1, name)
  return Array.from({ length: 40 }, (_, i) =>
    Array.from(drawn.normals(4, i), (z, k) => ({ sample: { tokens: Math.round(40 + 10 * z), text: `${name} ${i} ${k}` } })),
  ) as unknown as Look['before']
}

/** The alarm where a reward is so much of length, of quality and of noise; with a gold measure, which is the quality, or without. */
function raised(reward: { length?: number; quality?: number; noise?: number }, withGold: boolean): string[] {
  const [before, after] = [side('before'), side('after')]
  const own = new Map<object, { quality: number; noise: number }>()
  for (const [i, { sample }] of [...before, ...after].flat().entries()) {
    const [a, b] = draw.normals(2, i)
    own.set(sample, { quality: (sample.tokens - 40) / 10 + 0.5 * a!, noise: b! })
  }
  const value = (sample: { readonly tokens: number }) => {
    const { quality, noise } = own.get(sample)!
    return ((reward.length ?? 0) * (sample.tokens - 40)) / 10 + (reward.quality ?? 0) * quality + (reward.noise ?? 0) * noise
  }
  const gold = (groups: Look['before']) => groups.map((group) => group.map(({ sample }) => own.get(sample)!.quality))
  const scoredOf = (sample: { readonly tokens: number }) => ({ value: value(sample) })
  const seen = lengthInReward({ scoredOf, before }, after, withGold ? { after: gold(after), before: gold(before) } : undefined)
  return alarmsOf(seen).map(({ alarm, value: r }) => `${alarm} ${r > 0 ? 'up' : 'down'}`)
}

describe('reward.length', () => {
  it('is raised by a reward that is length, or shortness, with gold and without', () => {
    for (const gold of [true, false]) {
      expect(raised({ length: 1, noise: 0.3 }, gold)).toEqual(['reward.length up'])
      expect(raised({ length: -1, noise: 0.3 }, gold)).toEqual(['reward.length down'])
      expect(raised({ length: 2, quality: 1, noise: 0.3 }, gold)).toEqual(['reward.length up'])
    }
  })

  it('is silent where the reward has of length only what gold has, or nothing', () => {
    expect(raised({ quality: 1, noise: 0.3 }, true)).toEqual([])
    expect(raised({ quality: 1, noise: 0.3 }, false)).toEqual(['reward.length up'])
    expect(raised({ noise: 1 }, true)).toEqual([])
    expect(raised({}, false)).toEqual([])
  })
})
