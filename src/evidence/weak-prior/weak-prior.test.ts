import { describe, expect, it } from 'vitest'
import { stream } from '../stream.ts'
import { coinEntropy, distinctGoals, learn, linearGoals, massOf, priorOn, updated, votesFor } from './learn-goal.ts'

describe('updated', () => {
  it('is V-BIRL-1 after three demonstrations of one action', () => {
    const e = Math.E
    let p: Float64Array = Float64Array.of(0.5, 0.5)
    for (let i = 0; i < 3; i++) p = updated(p, (goal) => (goal === 0 ? e / (e + 1) : 1 / (e + 1)))
    expect(p[0]).toBeCloseTo(0.9525741268, 10)
    expect(1 - coinEntropy(p[0]!)).toBeCloseTo(0.7246400527, 9)
  })
})

describe('bits', () => {
  it('of a vote that is right nine times of ten are 1 − H2(0.1), V-CULT-1', () => {
    expect(1 - coinEntropy(0.1)).toBeCloseTo(0.5310044064, 10)
    expect(1 - coinEntropy(0.5)).toBe(0)
    const { bitsEach } = votesFor(distinctGoals(4096), 7, 20, stream(0, 'bits'))
    expect(Math.abs(bitsEach - 0.531)).toBeLessThan(0.002)
  })

  it('of a prior are log2 of its mass over the reference', () => {
    const prior = priorOn(distinctGoals(64).near(5, 16), 0)
    expect(Math.log2(prior[5]! * 64)).toBe(2)
    expect(prior.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12)
  })
})

describe('learn', () => {
  const world = linearGoals(128, 4, 2, stream(1, 'world'))

  it('needs no vote where the prior is sure, and accepts what is meant in the end', () => {
    const votes = votesFor(world, 3, 200, stream(1, 'votes'))
    expect(learn(priorOn(world.good(3), 0.01), world.good(3), votes).votes).toBe(0)
    expect(learn(priorOn(new Uint8Array(128).fill(1)), world.good(3), votes).accepted).toBe(true)
  })

  it('has good goals that are the nearest, the meant one among them', () => {
    const good = world.good(9)
    expect(good[9]).toBe(1)
    expect(massOf(new Float64Array(128).fill(1), good)).toBe(8)
  })
})
