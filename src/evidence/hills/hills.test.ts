import { describe, expect, it } from 'vitest'
import { armValues, quantileOf } from '../arm-values.ts'
import { decideAgain } from '../publish.ts'
import { stream } from '../stream.ts'
import { descend } from './descend.ts'
import { hills, publishedEps } from './hills.ts'
import { type Landscape, lossAndGradient, randomLandscape } from './landscape.ts'

describe('V-HILL-1: two dimensions with one wave', () => {
  const land: Landscape = {
    n: 2,
    waves: 1,
    eps: 0.0025,
    k: Float64Array.of(1, -2, 2, 1),
    k0: Float64Array.of(1, -1),
    s: Float64Array.of(0.5, -1),
    c: Float64Array.of(1, 0.25),
  }
  const x = Float64Array.of(0.2, -0.4)

  it('has the published loss and gradient', () => {
    const g = new Float64Array(3)
    expect(lossAndGradient(land, 0.3, x, g)).toBeCloseTo(-0.300159715368, 12)
    expect(g[2]).toBeCloseTo(-1.001296360823, 12)
    expect(g[0]).toBeCloseTo(0.003221203293, 12)
    expect(g[1]).toBeCloseTo(0.003047151031, 12)
  })

  it('takes the published step without noise', () => {
    const g = new Float64Array(3)
    lossAndGradient(land, 0.3, x, g)
    const norm = Math.hypot(...g)
    expect(0.3 - (0.2 * g[2]!) / norm).toBeCloseTo(0.499998038989, 12)
    expect(0.2 - (0.2 * g[0]!) / norm).toBeCloseTo(0.199356599737, 12)
    expect(-0.4 - (0.2 * g[1]!) / norm).toBeCloseTo(-0.40060863522, 11)
  })
})

describe('a landscape', () => {
  const land = randomLandscape(5, 0.3, 7)
  const rng = stream(1, 'hills test')
  const x = Float64Array.from({ length: 5 }, () => 3 * rng.normal())

  it('has the loss of its formula, and the gradient of central differences', () => {
    const plain = (x0: number, at: Float64Array) => {
      let sum = 0
      for (let w = 0; w < 25; w++) {
        const phi = land.k0[w]! * x0 + at.reduce((dot, xi, i) => dot + land.k[5 * w + i]! * xi, 0)
        sum += at[Math.floor(w / 5)]! * (land.s[w]! * Math.sin(phi) + land.c[w]! * Math.cos(phi))
      }
      return 0.3 * sum - x0
    }
    const g = new Float64Array(6)
    expect(lossAndGradient(land, 11, x, g)).toBeCloseTo(plain(11, x), 9)
    const h = 1e-5
    for (let i = 0; i < 6; i++) {
      const at = (step: number) => (i === 5 ? plain(11 + step, x) : plain(11, x.map((xi, k) => (k === i ? xi + step : xi)))) // biome-ignore format: one line
      expect(g[i]).toBeCloseTo((at(h) - at(-h)) / (2 * h), 7)
    }
  })

  it('without hills is gone down freely, and never stalls', () => {
    const { x0, stalled, stall } = descend(randomLandscape(4, 0, 0), { steps: 1000, seed: 0, noise: 0 })
    expect({ x0, stalled, stall }).toEqual({ x0: expect.closeTo(200, 9), stalled: false, stall: 1000 })
  })
})

describe('V-HILL-4', () => {
  it('at 16 dimensions a demon always forms within 5,000 steps', () => {
    for (const seed of [0, 1]) {
      const { x0, largest, stalled } = descend(randomLandscape(16, publishedEps, seed), { steps: 5000, seed })
      expect(stalled).toBe(true)
      expect(x0).toBeGreaterThan(250)
      expect(x0).toBeLessThan(900)
      expect(largest).toBeGreaterThan(25)
    }
  })
})

describe('V-HILL-3', () => {
  it('at 1,000 dimensions fixed hills hold the search back from the first hundred steps on', () => {
    const { x0 } = descend(randomLandscape(1000, publishedEps, 0), { steps: 100, seed: 0 })
    // 15.7 in another program, where 20 is free.
    expect(Math.abs(x0 - 15.7)).toBeLessThan(0.3)
  })
})

describe('V-HILL-2: the published runs, beside those of another program', async () => {
  const tables = (await decideAgain(hills)).map(({ table }) => table)

  it.each([
    ['n = 16, fixed', 1728, 3840],
    ['n = 32, fixed', 1436, 1794],
    ['n = 64, fixed', 861, 1215],
    ['n = 128, fixed', 621, 772],
    ['n = 256, fixed', 468, 492],
    ['n = 16, neutral', 1827, 3809],
    ['n = 32, neutral', 2235, 3400],
    ['n = 64, neutral', 1943, 3099],
    ['n = 128, neutral', 2141, 2403],
    ['n = 256, neutral', 2140, 2288],
  ])('%s: half of the runs stall by a step from %d to %d, give or take a tenth', (arm, from, to) => {
    for (const table of tables) {
      const median = quantileOf(armValues(table, arm, 'stall'), 0.5)
      expect(median).toBeGreaterThan(0.9 * from)
      expect(median).toBeLessThan(1.1 * to)
    }
  })
})
