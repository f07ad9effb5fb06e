import { describe, expect, it } from 'vitest'
import { mlp } from '../mlp.ts'
import { stream } from '../stream.ts'
import { type Adaptation, adapt, fewShot, innerOverOuter, metaGradient, sinusoids } from './meta.ts'

const families = { sinusoids: sinusoids(false), frequencies: sinusoids(true), fewShot }

describe.each(Object.entries(families))('%s', (_, family) => {
  const net = mlp(family.sizes)
  const rng = stream(3, 'meta test')
  const theta = net.init(rng)
  const task = family.draw(rng)

  it.each([
    ['MAML', { inner: 'all', steps: 3, rate: 0.1 }],
    ['ANIL', { inner: 'head', steps: 3, rate: 0.1 }],
  ] as const)('the meta-gradient of %s is that of central differences of the whole inner loop', (_name, how: Adaptation) => {
    const g = metaGradient(net, theta, task, how)
    const after = (at: Float64Array) => net.loss(adapt(net, at, task.support, how), task.query)
    const v = Float64Array.from({ length: net.count }, () => rng.normal())
    const moved = (h: number) => after(theta.map((x, i) => x + h * v[i]!))
    const difference = (moved(1e-5) - moved(-1e-5)) / 2e-5
    const along = g.reduce((sum, x, i) => sum + x * v[i]!, 0)
    expect(Math.abs(along - difference) / Math.abs(difference)).toBeLessThan(1e-4)
  })

  it('ANIL changes the head and nothing else', () => {
    const adapted = adapt(net, theta, task.support, { inner: 'head', steps: 2, rate: 0.1 })
    expect(adapted.subarray(0, net.head)).toEqual(theta.subarray(0, net.head))
    expect(adapted.subarray(net.head)).not.toEqual(theta.subarray(net.head))
  })
})

describe('the scalar of V-MAML-1', () => {
  // A line through zero at x = 1: the mean squared error of one row is (θ − a)², so a rate of half gives ½(θ − a)².
  const net = mlp([1, 1])
  const row = (y: number) => ({ x: Float64Array.of(1), y: Float64Array.of(y) })
  const theta = Float64Array.of(0, 0)
  const task = { support: row(1), query: row(2) }

  it('has θ′ = 0.1 and the meta-gradient −1.71, without the second order −1.9', () => {
    // Weight and bias move alike, so each of the two has half of the rate.
    const how = { inner: 'all', steps: 1, rate: 0.025 } as const
    const adapted = adapt(net, theta, task.support, how)
    expect(adapted[0]! + adapted[1]!).toBeCloseTo(0.1, 12)
    expect(metaGradient(net, theta, task, how)[0]! / 2).toBeCloseTo(-1.71, 12)
    expect(net.gradient(adapted, task.query)[0]! / 2).toBeCloseTo(-1.9, 12)
  })

  it('counts the work: nothing of an inner loop is R = 0, and the head alone is less than all', () => {
    const full = mlp([1, 20, 20, 1])
    expect(innerOverOuter(full, { inner: 'all', steps: 0, rate: 0.1 })).toBe(0)
    expect(innerOverOuter(full, { inner: 'all', steps: 5, rate: 0.1 })).toBeCloseTo(15 / 28, 12)
    expect(innerOverOuter(full, { inner: 'head', steps: 5, rate: 0.1 })).toBeLessThan(0.5)
  })
})
