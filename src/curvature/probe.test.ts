import { afterAll, describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { abs, logSigmoid, slice, sum, UserError } from '../graph/index.ts'
import { openPolicy, textTree } from '../policy/index.ts'
import {
  along,
  blocks,
  dense,
  gradientOf,
  hessian,
  type Landscape,
  openLandscape,
  probe,
  profile,
  type Risk,
  type SeenTrees,
  topEigen,
} from './index.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())

/** ½·θᵀHθ + g·θ */
function bowl(rows: readonly (readonly number[])[], g: readonly number[]): Landscape {
  const hessian = dense(rows)
  return {
    size: g.length,
    parts: hessian.parts,
    hessian,
    value: async (v) =>
      v.reduce((total, x, i) => total + x * g[i]!, 0) + (await hessian.apply(v)).reduce((total, x, i) => total + (x * v[i]!) / 2, 0),
    slope: async (v) => (await hessian.apply(v)).map((x, i) => x + g[i]!),
  }
}

describe('probes at a distance', () => {
  it('on a quadratic loss every rise is as gradient and Hessian foretell, and climbing finds the highest place', async () => {
    const of = bowl([[2, 0], [0, 10]], [0.1, 0.2]) // biome-ignore format: one line
    const { probes, highest } = await probe(of, { radius: 3, steps: 20 })
    for (const { rise, foretold } of probes) expect(rise).toBeCloseTo(foretold, 9)
    expect(highest.way).toBe('ascent')
    expect(highest.rise).toBeCloseTo(45 + 0.6, 1)
  })

  it('a profile is the loss along a line', async () => {
    const found = await profile(bowl([[2]], [1]), Float64Array.of(5), [-1, 0, 2])
    expect(found.map(({ value }) => value)).toEqual([0, 0, 6])
  })

  it.each([
    ['no radius', () => probe(bowl([[2]], [1]), { radius: 0 }), /radius must be above 0, got 0/],
    ['no direction', () => profile(bowl([[2]], [1]), Float64Array.of(0), [1]), /a direction must not be zero/],
    [
      'a loss that is no number',
      () => probe({ ...bowl([[2]], [1]), value: async () => Number.NaN }, { radius: 1 }),
      /a loss must be finite, got NaN/,
    ],
  ])('%s is refused', async (_, act, message) => {
    await expect(act()).rejects.toThrow(UserError)
    await expect(act()).rejects.toThrow(message)
  })
})

describe('the wall that curvature cannot see: A·softplus(κ(|u·θ − c| − d)) far from it, in a model', async () => {
  const policy = await openPolicy(engine, await loadCheckpoint('fixtures/llama-tiny'))
  const trees = [textTree([1, 5, 6, 7, 8, 9, 5, 6]), textTree([1, 20, 21, 22, 23])]
  const [height, steep, distance] = [2, 50, 0.5]
  // u is the fourth entry of the last norm, c is where it stands.
  const wall = ({ params }: SeenTrees) => {
    const off = abs(sum(slice(params.norm, 0, 3, 4)).sub(stands)).sub(distance)
    return logSigmoid(off.mul(-steep)).neg().mul(height)
  }
  const stands = (await engine.read(policy.given['params.norm']!)).data[3]!
  const plain: Risk = {
    policy,
    trees,
    loss: ({ logps }) => logps.neg(),
    reduce: 'mean',
    wrt: (name) => /^params\.(norm|blocks\.1\.mlp\.down)$/.test(name),
  }
  const walled: Risk = { ...plain, loss: (seen) => seen.logps.neg().add(wall(seen)) }

  it('gradient, spectrum, traces and participation are those without it', async () => {
    const [without, within] = [hessian(plain), hessian(walled)]
    const slopes = [await gradientOf(plain), await gradientOf(walled)].map(({ gradient }) => gradient['params.norm']!.data)
    for (let i = 0; i < 64; i++) expect(Math.abs(slopes[0]![i]! - slopes[1]![i]!)).toBeLessThan(1e-5)
    const tops = [await topEigen(without, 3, { steps: 12 }), await topEigen(within, 3, { steps: 12 })].map((pairs) =>
      pairs.map(({ value }) => value),
    )
    for (const [i, value] of tops[0]!.entries()) expect(tops[1]![i]! / value).toBeCloseTo(1, 4)
    const [a, b] = [await blocks(without, { steps: 8, samples: 3 }), await blocks(within, { steps: 8, samples: 3 })]
    a.forEach((block, i) => {
      expect(b[i]!.trace / block.trace).toBeCloseTo(1, 4)
      expect(b[i]!.participation / block.participation).toBeCloseTo(1, 3)
    })
  })

  it('a probe at a radius beyond it sees it, and without it sees what was foretold', async () => {
    const excess = async (risk: Risk) => {
      const of = await openLandscape(risk)
      const { probes } = await probe(along(of, ['params.norm']), { radius: 4, shares: [1], directions: 4, ascents: 3 })
      await of.close()
      return Math.max(...probes.map(({ rise, foretold }) => rise - Math.max(0, foretold)))
    }
    const [without, within] = [await excess(plain), await excess(walled)]
    expect(within).toBeGreaterThan(100)
    expect(without).toBeLessThan(5)
  })

  it('a profile along u has the wall’s slope beyond its distance', async () => {
    const of = await openLandscape(walled)
    const bare = await openLandscape(plain)
    const u = Float64Array.from({ length: of.size }, (_, i) => Number(i === of.parts.find(({ name }) => name === 'params.norm')!.start + 3))
    const [a, b] = [await profile(of, u, [0.4, 1, 2]), await profile(bare, u, [0.4, 1, 2])]
    const added = a.map(({ value }, i) => value - b[i]!.value)
    expect(added[0]!).toBeCloseTo(height * Math.log1p(Math.exp(-0.1 * steep)), 3)
    expect(added[1]!).toBeCloseTo(height * steep * 0.5, 2)
    expect(added[2]!).toBeCloseTo(height * steep * 1.5, 2)
    await of.close()
    await bare.close()
  })
})
