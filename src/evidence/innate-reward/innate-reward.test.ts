import { describe, expect, it } from 'vitest'
import { stream } from '../stream.ts'
import { live, usual } from './childhood.ts'
import { type Assessor, assess, assessed, targetOf, temporalDifferences, valuedAt } from './rules.ts'
import { changed, childhood, concepts, detects, freshWorld, representation, sense } from './world.ts'

describe('update rules', () => {
  it('are V-LTP-1: defer to what is said next, or be overridden', () => {
    const next = { override: false, ground: 1, next: 0.8 }
    expect(assessed(0.2, targetOf(next, 0.9), 0.5)).toBeCloseTo(0.46, 12)
    expect(assessed(0.2, targetOf({ ...next, override: true }, 0.9), 0.5)).toBeCloseTo(0.6, 12)
  })

  it('are V-RPE-1: TD(0.8) on a chain of three with a reward at its end', () => {
    const chain = [0, 1, 2].map((i) => ({
      features: Float64Array.from({ length: 3 }, (_, k) => (k === i ? 1 : 0)),
      reward: i === 2 ? 1 : 0,
    }))
    const values = { weights: new Float64Array(3) }
    temporalDifferences(values, chain, { rate: 0.5, gamma: 0.9, lambda: 0.8 })
    const expected = [0.2592, 0.36, 0.5]
    expected.forEach((value, i) => {
      expect(values.weights[i]).toBeCloseTo(value, 12)
    })
  })

  it('move a linear assessor’s value of what it saw to exactly where the rule says', () => {
    const assessor: Assessor = { weights: Float64Array.of(0.3, -1, 2) }
    const features = Float64Array.of(1, 2, -0.5)
    const before = valuedAt(assessor, features)
    assess(assessor, features, 1, 0.25)
    expect(valuedAt(assessor, features)).toBeCloseTo(assessed(before, 1, 0.25), 12)
  })
})

describe('the world', () => {
  const draw = stream(4, 'world')
  const world = freshWorld(3, draw)

  it('has a detector that fires on its cue and seldom else', () => {
    const fires = (cue: number | undefined) =>
      Array.from({ length: 300 }, () => detects(sense(world, { concept: 1, cue }, draw), 0, 3)).filter((x) => x).length / 300
    expect(fires(0)).toBeGreaterThan(0.95)
    expect(fires(undefined)).toBeLessThan(0.05)
    expect(fires(2)).toBeLessThan(0.05)
  })

  it('has things that are told apart without reward', () => {
    let at = 0
    const known = representation(() => sense(world, { concept: at++ % concepts, cue: undefined }, draw), concepts, 200)
    const nearest = (x: Float64Array) => {
      const far = known.prototypes.map((m) => m.reduce((sum, value, i) => sum + (value - x[i]!) ** 2, 0))
      return far.indexOf(Math.min(...far))
    }
    const found = Array.from({ length: concepts }, (_, concept) => nearest(sense(world, { concept, cue: undefined }, draw)))
    expect(new Set(found).size).toBe(concepts)
  })

  it('has as many false and missing cues as are asked for', () => {
    const scenes = Array.from({ length: 4000 }, () => childhood(0.3, 0.2, draw))
    const share = (of: (one: (typeof scenes)[number]) => boolean) => scenes.filter(of).length / scenes.length
    expect(Math.abs(share(({ cue }) => cue === undefined) - 0.2)).toBeLessThan(0.03)
    // Of the false ones a quarter is the thing's own.
    expect(Math.abs(share(({ cue, concept }) => cue !== undefined && cue !== concept) - 0.225)).toBeLessThan(0.03)
  })

  it('changes by the share that is asked for', () => {
    expect(changed(world, 0, draw).patterns).toEqual(world.patterns)
    expect(changed(world, 1, draw).patterns[0]).toEqual(world.patterns[0]!.map((x) => -x))
  })
})

describe('a life', () => {
  it('is the same for the same seed, and values another thing where the detector reads that', () => {
    const short = { ...usual, early: 150 }
    expect(live(short, 1, 'a')).toEqual(live(short, 1, 'a'))
    expect(live(short, 1, 'a').conceptOverOthers).toBeGreaterThan(0.8)
    expect(live({ ...short, reads: 1 }, 1, 'a').conceptOverOthers).toBeLessThan(0.5)
  })
})
