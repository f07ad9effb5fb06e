import { cp, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { linear, matmul, reshape } from '../graph/index.ts'
import { type Edit, edited, openPolicy } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { cholesky, inverseOf } from './cholesky.ts'
import { difference, endFeatures, scoresOf } from './end-features.ts'
import { headPosterior } from './head-posterior.ts'
import { networkMarginVariances, networkPosterior, openRewardModel, tangentFeatures, writePosterior } from './index.ts'
import { networkVariance, networkVariances } from './network-posterior.ts'
import { projections, tangentPlaces } from './tangent-features.ts'

const folder = 'fixtures/trl-reward'
const texts = [
  [1, 5, 6, 9, 30],
  [1, 7],
  [1, 40, 41, 42, 5, 6, 7, 8, 9, 10, 11],
]

it('a tangent feature is the slope of a score by a change of what blocks read and write', async () => {
  const checkpoint = await loadCheckpoint(folder, { as: 'reward' })
  const engine = openEngine()
  const policy = await openPolicy(engine, checkpoint)
  const { data, width, count } = await tangentFeatures(policy, [...texts, [1]])
  expect([width, count]).toEqual([400, 4])
  expect([...data.subarray(3 * 400)].every((x) => x === 0)).toBe(true)
  const d = checkpoint.config.hiddenSize
  // x + h·Pᵀ·E·Q·x at every place, with all of E at once: its slope is Σ E·feature.
  const E = random(2, 'direction').normals(400)
  let h = 0
  const change: Edit = (name, x, at) => {
    const [R, T] = x.shape as [number, number]
    const read = linear(x, at.input(`read.${name}`, [20, d]))
    const moved = matmul(linear(reshape(read, [R * T, 20]), at.input('E', [20, 20])), at.input(`slope.${name}`, [20, d]))
    return x.add(reshape(moved, x.shape))
  }
  const given = Object.fromEntries(
    tangentPlaces(checkpoint.config).flatMap((name) => {
      const { slope, read } = projections(name, d)
      return [[`slope.${name}`, slope] as const, [`read.${name}`, read] as const]
    }),
  )
  const moved = edited(policy, change, {
    at: tangentPlaces(checkpoint.config),
    feeds: () => ({ ...given, E: { dtype: 'f32', shape: [20, 20], data: Float32Array.from(E, (x) => h * x) } }),
  })
  const at = async (step: number) => {
    h = step
    return scoresOf(await endFeatures(moved, texts), checkpoint.params.score!.data)
  }
  const [up, down] = [await at(2e-3), await at(-2e-3)]
  for (let i = 0; i < texts.length; i++) {
    let slope = 0
    for (let k = 0; k < 400; k++) slope += E[k]! * data[i * 400 + k]!
    expect(Math.abs((up[i]! - down[i]!) / 4e-3 - slope)).toBeLessThan(2e-3 * Math.max(1, Math.abs(slope)))
  }
  await engine.close()
})

it('a Cholesky factor and its inverse', () => {
  const n = 7
  const a = random(1, 'a').normals(n * n)
  const square = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      for (let k = 0; k < n; k++) square[i * n + j]! += a[i * n + k]! * a[j * n + k]!
      if (i === j) square[i * n + j]! += 0.1
    }
  const inverse = inverseOf(cholesky(square, n), n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      let entry = 0
      for (let k = 0; k < n; k++) entry += square[i * n + k]! * inverse[k * n + j]!
      expect(entry).toBeCloseTo(i === j ? 1 : 0, 9)
    }
  expect(() => cholesky(Float64Array.of(1, 2, 2, 1), 2)).toThrow(/must be positive definite/)
})

/** Texts on the unit sphere, and votes on a reward that is linear there. */
function known(width: number, count: number, seed: number) {
  const truth = random(seed, 'truth').normals(width).map((x) => 2 * x) // biome-ignore format: one line
  const along = (x: ArrayLike<number>) => Array.from(x).reduce((sum, each, k) => sum + each * truth[k]!, 0)
  const drawn = (count: number, name: string) =>
    Array.from({ length: 2 * count }, (_, i) => {
      const x = random(seed, name).normals(width, i)
      return x.map((each) => each / Math.hypot(...x))
    })
  const compared = (count: number, name: string) => {
    const texts = drawn(count, name)
    const shares = Array.from({ length: count }, (_, i) => {
      const margin = along(texts[2 * i]!) - along(texts[2 * i + 1]!)
      return random(seed, `${name} votes`).uniform(i) < 1 / (1 + Math.exp(-margin)) ? 1 : 0
    })
    return { features: asFeatures(texts, width), shares }
  }
  const trained = compared(count, 'trained')
  const votes = trained.shares.map((q, i) => ({ x: difference(trained.features, 2 * i, 2 * i + 1), q }))
  const { mean } = headPosterior(votes, { prior: 2 })
  const margins = votes.map(({ x }) => x.reduce((sum, each, k) => sum + each * mean[k]!, 0))
  const posterior = networkPosterior({ ...trained, margins })
  const fresh = drawn(20, 'fresh')
  const sds = networkMarginVariances(posterior, asFeatures(fresh, width)).map(Math.sqrt)
  const inside = sds.filter((sd, i) => {
    const x = fresh[2 * i]!.map((each, k) => each - fresh[2 * i + 1]![k]!)
    return Math.abs(along(x) - x.reduce((sum, each, k) => sum + each * mean[k]!, 0)) < 1.959964 * sd
  })
  return { posterior, sds, coverage: inside.length / sds.length }
}

function asFeatures(texts: readonly Float64Array[], width: number) {
  const data = new Float32Array(texts.length * width)
  for (const [i, text] of texts.entries()) data.set(text, i * width)
  return { count: texts.length, width, data }
}

const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b) / numbers.length

/** How often intervals hold scores with an intercept, which no feature shows, where each text was judged by itself. */
function coverageAlone(width: number, count: number, seed: number): number {
  const truth = random(seed, 'truth').normals(width + 1).map((x) => 2 * x) // biome-ignore format: one line
  const worth = (x: ArrayLike<number>) => Array.from(x).reduce((sum, each, k) => sum + each * truth[k]!, truth[width]!)
  const drawn = (count: number, name: string) =>
    Array.from({ length: count }, (_, i) => {
      const x = random(seed, name).normals(width, i)
      return x.map((each) => each / Math.hypot(...x))
    })
  const texts = drawn(count, 'trained')
  const shares = texts.map((x, i) => (random(seed, 'votes').uniform(i) < 1 / (1 + Math.exp(-worth(x))) ? 1 : 0))
  const votes = texts.map((x, i) => ({ x: Float64Array.of(...x, 1), q: shares[i]! }))
  const { mean } = headPosterior(votes, { prior: 2 })
  const margins = votes.map(({ x }) => x.reduce((sum, each, k) => sum + each * mean[k]!, 0))
  const posterior = networkPosterior({ features: asFeatures(texts, width), shares, margins, alone: true })
  const fresh = drawn(20, 'fresh')
  const sds = networkVariances(posterior, asFeatures(fresh, width)).map(Math.sqrt)
  const inside = sds.filter((sd, i) => {
    const said = fresh[i]!.reduce((sum, each, k) => sum + each * mean[k]!, mean[width]!)
    return Math.abs(worth(fresh[i]!) - said) < 1.959964 * sd
  })
  return inside.length / sds.length
}

describe('the posterior of a network', () => {
  const seeds = Array.from({ length: 50 }, (_, i) => i)

  it('covers a reward that is linear in its features as often as it says', () => {
    expect(Math.abs(mean(seeds.map((seed) => known(6, 200, seed).coverage)) - 0.95)).toBeLessThan(0.03)
  })

  it('covers scores, with their intercept, where texts were judged one by one', () => {
    expect(Math.abs(mean(seeds.map((seed) => coverageAlone(6, 200, seed))) - 0.95)).toBeLessThan(0.03)
  })

  it('is not far wider than the scores where rows are told apart without an error', () => {
    const texts = Array.from({ length: 60 }, (_, i) => random(4, 'texts').normals(6, i).map((x, k) => (k > 0 ? x / 10 : i % 2 ? -1 : 1))) // biome-ignore format: one line
    const shares = texts.map((x) => (x[0]! > 0 ? 1 : 0))
    const features = asFeatures(texts, 6)
    const posterior = networkPosterior({ features, shares, margins: shares.map((q) => 8.8 * q - 4.4), alone: true })
    expect(Math.max(...networkVariances(posterior, features).map(Math.sqrt))).toBeLessThan(2 * 4.4)
  })

  it('is wider where nothing was compared', () => {
    const width = 6
    const texts = Array.from({ length: 600 }, (_, i) => random(3, 'texts').normals(width, i).map((x, k) => (k < 5 ? x : 0))) // biome-ignore format: one line
    const features = asFeatures(texts, width)
    const shares = Array.from({ length: 300 }, (_, i) => (texts[2 * i]![0]! > texts[2 * i + 1]![0]! ? 1 : 0))
    const posterior = networkPosterior({ features, shares, margins: shares.map((q) => 4 * q - 2) })
    const at = (k: number) =>
      networkVariance(
        posterior,
        Float64Array.from({ length: width }, (_, i) => (i === k ? 1 : 0)),
      )
    for (let k = 1; k < 5; k++) expect(at(5)).toBeGreaterThan(2 * at(k))
  })

  it('is kept in the folder, and says how far scores may be off', async () => {
    const out = join(await mkdtemp(join(tmpdir(), 'innate-network-')), 'm')
    await cp(folder, out, { recursive: true })
    const { params } = await loadCheckpoint(folder, { as: 'reward' })
    const head = Float64Array.from(params.score!.data)
    const compared = texts.map((_, i) => ({ x: random(1, 'h').normals(16, i), q: 1 }))
    const factor = random(1, 'factor')
      .normals(400 * 400)
      .map((x, i) => (i % 400 <= i / 400 ? x : 0))
    const network = { factor, center: random(1, 'center').normals(400), spread: 2, prior: 1 }
    await writePosterior(out, { ...headPosterior(compared, { head }), center: new Float64Array(16), network })
    const model = await openRewardModel(out)
    const scored = await model.score(texts)
    const engine = openEngine()
    const { data } = await tangentFeatures(await openPolicy(engine, model.checkpoint), texts)
    for (const [i, { sd }] of scored.entries()) {
      const away = Array.from({ length: 400 }, (_, k) => data[400 * i + k]! - network.center[k]!)
      const length = Math.sqrt(away.reduce((sum, x) => sum + x * x, 0.002))
      const along = Array.from({ length: 400 }, (_, j) => away.reduce((sum, x, k) => sum + (x / length) * factor[400 * k + j]!, 0))
      expect(Math.abs(sd! / Math.hypot(...along) - 1)).toBeLessThan(1e-4)
    }
    await engine.close()
    await model.close()
  })
})
