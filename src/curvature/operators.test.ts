import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { loadCheckpoint, readSafetensors } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { sum, UserError } from '../graph/index.ts'
import { type DecoderParams, decoderParams, readConfig, tensorName } from '../models/index.ts'
import { openPolicy, textTree } from '../policy/index.ts'
import {
  blocks,
  byParts,
  dense,
  density,
  densityTable,
  diagonal,
  edgeOfStability,
  empiricalFisher,
  extremes,
  fisher,
  gaussNewton,
  hessian,
  hutchinson,
  hutchPlusPlus,
  lanczos,
  type Operator,
  operator,
  participation,
  power,
  type Risk,
  randomDirection,
  type SeenTrees,
  shifted,
  solve,
  topEigen,
  toVector,
  traceMethods,
  type Vector,
  xTrace,
} from './index.ts'

const small = dense([
  [2, 1],
  [1, -3],
])
const [high, low] = [2.1925824036, -3.1925824036]

describe('V-HVP-1, on matrices as they are written', () => {
  it('power iteration finds the largest magnitude, a shift both ends', async () => {
    const found = await power(small, { tolerance: 1e-9 })
    expect(found.value).toBeCloseTo(low, 9)
    const { largest, smallest } = await extremes(small, { tolerance: 1e-9 })
    expect([largest.value, smallest.value]).toEqual([expect.closeTo(high, 9), expect.closeTo(low, 9)])
  })

  it('samples of Hutchinson are 1 or −3, with variance 4', async () => {
    const { estimates, trace, standardError } = await hutchinson(small, { products: 400 })
    expect(new Set(estimates)).toEqual(new Set([1, -3]))
    expect(Math.abs(trace + 1)).toBeLessThan(4 * standardError)
    expect(standardError ** 2 * 400).toBeCloseTo(4, 1)
  })

  it('one sample of a diagonal matrix is its trace', async () => {
    const five = dense([1, 2, 3, 4, 5].map((x, i) => Array.from({ length: 5 }, (_, k) => (i === k ? x : 0))))
    expect((await hutchinson(five, { products: 1 })).trace).toBe(15)
    expect([...(await diagonal(five, { products: 1 }))]).toEqual([1, 2, 3, 4, 5])
  })

  it('participation counts entries', () => {
    expect(participation(Float64Array.of(1, 0, 0, 0))).toBe(1)
    expect(participation(Float64Array.of(0.5, 0.5, 0.5, 0.5))).toBe(4)
  })

  it('the edge of stability', () => {
    expect(edgeOfStability(0.01)).toBe(200)
    expect(edgeOfStability(0.01, 0.9)).toBe(380)
  })
})

/** A random symmetric matrix, with its eigenvalues by another method. */
const matrices = fc
  .tuple(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 0, max: 2 ** 30 }), fc.integer({ min: 1, max: 9 }))
  .map(([size, seed, rank]) => {
    let state = seed + 1
    const next = () => {
      state = (state * 48271) % 2147483647
      return state / 2147483647 - 0.5
    }
    const factors = Array.from({ length: Math.min(rank, size) }, () => ({
      sign: next() < 0 ? -1 : 1,
      v: Array.from({ length: size }, next),
    }))
    const rows = Array.from({ length: size }, (_, i) =>
      Array.from({ length: size }, (_, k) => factors.reduce((total, { sign, v }) => total + sign * v[i]! * v[k]!, 0)),
    )
    const same = rows.map((row, i) => row.map((x, k) => (i <= k ? x : rows[k]![i]!)))
    const values = new EigenvalueDecomposition(new Matrix(same), { assumeSymmetric: true }).realEigenvalues.sort((a, b) => a - b)
    return { of: dense(same), rows: same, values, rank: factors.length, size }
  })

describe('laws, on random matrices', () => {
  it('each Ritz value lies within its residual of an eigenvalue, and their weights add up to 1', () =>
    fc.assert(
      fc.asyncProperty(matrices, fc.integer({ min: 1, max: 9 }), async ({ of, values }, steps) => {
        const ritz = await lanczos(of, { steps })
        ritz.values.forEach((value, i) => {
          expect(Math.min(...values.map((x) => Math.abs(x - value)))).toBeLessThan(ritz.residuals[i]! + 1e-9)
        })
        expect(ritz.weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9)
      }),
      { numRuns: 40 },
    ))

  it('Hutch++ and XTrace are exact where the sketch holds the whole range', () =>
    fc.assert(
      fc.asyncProperty(matrices, async ({ of, rows, rank }) => {
        const trace = rows.reduce((total, row, i) => total + row[i]!, 0)
        expect((await hutchPlusPlus(of, { products: 3 * rank + 3 })).trace).toBeCloseTo(trace, 9)
        expect((await xTrace(of, { products: 2 * rank + 4 })).trace).toBeCloseTo(trace, 9)
      }),
      { numRuns: 40 },
    ))

  it.each(Object.entries(traceMethods))('%s is unbiased: the mean over seeds comes near the trace', async (_, method) => {
    const rows = Array.from({ length: 12 }, (_, i) => Array.from({ length: 12 }, (_, k) => 1 / (1 + Math.abs(i - k)) + (i === k ? i : 0)))
    const [of, trace] = [dense(rows), rows.reduce((total, row, i) => total + row[i]!, 0)]
    const found = await Promise.all(Array.from({ length: 300 }, (_, seed) => method(of, { products: 8, seed })))
    const mean = found.reduce((total, one) => total + one.trace, 0) / 300
    const spread = Math.sqrt(found.reduce((total, one) => total + (one.trace - mean) ** 2, 0) / 299 / 300)
    expect(Math.abs(mean - trace)).toBeLessThan(4 * spread)
  })

  it('conjugate gradients solve what is positive definite', () =>
    fc.assert(
      fc.asyncProperty(matrices, async ({ of, values, size }) => {
        const damping = 0.5 - values[0]!
        const b = Float64Array.from({ length: size }, (_, i) => i + 1)
        const { x, converged } = await solve(of, b, { damping, tolerance: 1e-10 })
        expect(converged).toBe(true)
        expectClose(await shifted(of, damping).apply(x), b, tolerances.decomposed)
      }),
      { numRuns: 40 },
    ))

  it('a block of a matrix is its rows and columns', async () => {
    const rows = [1, 2, 3, 4].map((x, i) => [1, 2, 3, 4].map((y, k) => x * y + (i === k ? 5 : 0)))
    const parts = [
      { name: 'a', start: 0, shape: [1] },
      { name: 'b', start: 1, shape: [3] },
    ]
    const of = operator(4, { parts, apply: (v) => dense(rows).apply(v) })
    expect([...(await of.block(['b']).apply(Float64Array.of(1, 0, 0)))]).toEqual([9, 6, 8])
    const found = await blocks(of, { samples: 200 })
    expect(found.map(({ name, size }) => [name, size])).toEqual([['a', 1], ['b', 3]]) // biome-ignore format: one line
    expect(found[0]).toMatchObject({ largest: 6, participation: 1 })
    expect(Math.abs(found[1]!.trace - 44)).toBeLessThan(5 * found[1]!.traceError)
    expect(found[0]!.traceShare + found[1]!.traceShare).toBeCloseTo(1, 9)
  })
})

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const folder = 'fixtures/curvature-dense'
const golden = JSON.parse(readFileSync(`${folder}/golden.json`, 'utf8')) as {
  tokens: number[][]
  eigenvalues: Record<string, number[]>
  trace: Record<string, number>
  blocks: Record<string, { largest: number; trace: number; participation: number }>
  damping: number
  ritz: number[]
  density: { steps: number; boundaries: [number, number]; grid: number[]; values: number[] }
}
const stored = await readSafetensors(`${folder}/golden.safetensors`)
const weights = await readSafetensors(`${folder}/model.safetensors`)
const config = readConfig(folder, JSON.parse(readFileSync(`${folder}/config.json`, 'utf8')))
const params = decoderParams(config, (path) => weights.get(tensorName(config, path))!) as DecoderParams<never>
const policy = await openPolicy(engine, { config, params })
const risk: Risk = { policy, trees: golden.tokens.map(textTree), loss: ({ logps }: SeenTrees) => logps.neg(), reduce: 'mean' }
const H = hessian(risk)
const named = (prefix: string): Vector =>
  toVector(H, Object.fromEntries(H.parts.map(({ name }) => [name, stored.get(`${prefix}.${name.replace('params.', '')}`)!])))
const direction = named('direction')

describe('a model of 536 parameters, against dense matrices in f64 and curvlinops (fixtures/curvature-dense, by oracle/)', () => {
  const { relative } = tolerances.curvature
  const operators: Readonly<Record<string, Operator>> = {
    hessian: H,
    gaussNewton: gaussNewton(risk),
    empiricalFisher: empiricalFisher(risk),
  }

  it.each(Object.entries(operators))('%s: a product, both ends of the spectrum, the trace', async (name, of) => {
    expect(apart(await of.apply(direction), named(name))).toBeLessThan(relative)
    const values = golden.eigenvalues[name]!
    const ritz = await lanczos(of, { steps: 60 })
    const width = values.at(-1)! - values[0]!
    for (const i of [1, 2, 3]) expect(Math.abs(ritz.values.at(-i)! - values.at(-i)!) / width).toBeLessThan(relative)
    expect(Math.abs(ritz.values[0]! - values[0]!) / width).toBeLessThan(relative)
    const { trace, standardError } = await hutchPlusPlus(of, { products: 45 })
    expect(Math.abs(trace - golden.trace[name]!)).toBeLessThan(4 * standardError + relative * width)
  })

  it('the exact Fisher matrix is the Gauss–Newton matrix of the likelihood, whatever the loss', async () => {
    const other = { ...risk, loss: ({ logps }: SeenTrees) => logps.mul(logps) }
    expect(apart(await fisher(other).apply(direction), named('gaussNewton'))).toBeLessThan(relative)
    expect(apart(await gaussNewton(other).apply(direction), named('gaussNewton'))).toBeGreaterThan(0.1)
  })

  it.each(['family-gemma2', 'family-gpt2'])('of %s too, whose logits are capped, or whose layers have biases', async (name) => {
    const { config, params } = await loadCheckpoint(`fixtures/${name}`)
    const policy = await openPolicy(engine, { config, params })
    const other: Risk = { ...risk, policy, trees: [textTree([1, 4, 5, 4, 6, 9])], wrt: (name) => /norm$|attn\.v$/.test(name) }
    const [G, F] = [gaussNewton(other), fisher(other)]
    const v = randomDirection(G.size, 0, 'v')
    expect(apart(await G.apply(v), await F.apply(v))).toBeLessThan(relative)
    await policy.rest()
  })

  it('Fisher matrices of drawn labels are the same for a seed, others for another, and their mean comes near the exact one', async () => {
    const wanted = named('gaussNewton')
    const along = (v: Vector) => v.reduce((total, x, i) => total + x * direction[i]!, 0)
    const of = fisher(risk, { labels: 'sampled', seed: 0 })
    expect(await of.apply(direction)).toEqual(await of.apply(direction))
    const drawn = []
    for (let seed = 0; seed < 40; seed++) drawn.push(along(await fisher(risk, { labels: 'sampled', seed }).apply(direction)))
    const mean = drawn.reduce((a, b) => a + b, 0) / 40
    const error = Math.sqrt(drawn.reduce((total, x) => total + (x - mean) ** 2, 0) / 39 / 40)
    expect(error).toBeGreaterThan(0)
    expect(Math.abs(mean - along(wanted))).toBeLessThan(4 * error)
  })

  it('Ritz values and the density from one start, as curvlinops draws it', async () => {
    const { steps, boundaries, grid, values } = golden.density
    const width = boundaries[1] - boundaries[0]
    const ritz = await lanczos(H, { steps, start: direction })
    expectClose(ritz.values, golden.ritz, { absolute: relative * width, relative: 0, why: 'of the spectrum’s width, f32 against f64' })
    const found = await density(H, { steps, boundaries, points: grid.length, start: direction })
    expectClose(found.grid, grid, { absolute: 1e-9 * width, relative: 0, why: 'the same grid in f64' })
    expectClose(found.density, values, tolerances.curvatureDensity)
    expect(densityTable(found).rows).toHaveLength(64)
  })

  it('blocks: largest eigenvalue, participation and trace', async () => {
    const found = await blocks(H, { steps: 40, samples: 8 })
    for (const { name, largest, participation, trace, traceError } of found) {
      const wanted = golden.blocks[name.replace('params.', '')]!
      expect(Math.abs(largest / wanted.largest - 1)).toBeLessThan(1e-3)
      expect(Math.abs(participation / wanted.participation - 1)).toBeLessThan(0.02)
      expect(Math.abs(trace - wanted.trace)).toBeLessThan(6 * traceError)
    }
    const part = await topEigen(H.block(['params.norm']), 1, { steps: 8 })
    expect(part[0]!.value).toBeCloseTo(golden.blocks.norm!.largest, 3)
  })

  it('the diagonal, and a solution by conjugate gradients', async () => {
    const wanted = named('diagonal')
    const squares = (v: ArrayLike<number>) => Array.from(v).reduce((total, x) => total + x * x, 0)
    const expected = Math.sqrt((squares(golden.eigenvalues.hessian!) - squares(wanted)) / 60 / squares(wanted))
    const error = apart(await diagonal(H, { products: 60 }), wanted) / expected
    expect([error > 0.7, error < 1.4]).toEqual([true, true])
    const { x, converged } = await solve(H, direction, { damping: golden.damping, tolerance: 1e-5, most: 400 })
    expect(converged).toBe(true)
    expect(apart(x, named('solution'))).toBeLessThan(1e-3)
    await expect(solve(H, direction, { damping: 1 })).rejects.toThrow(/must be positive definite/)
  })
})

describe('refused', () => {
  const refusals: readonly (readonly [string, () => Promise<unknown>, RegExp])[] = [
    ['a vector of another size', () => small.apply(Float64Array.of(1)), /must have 2 numbers, got 1/],
    ['a part that is not there', async () => H.block(['params.nothing']), /a block must be of its parts, got params\.nothing/],
    ['a matrix that is not symmetric', async () => dense([[1, 2], [3, 4]]), /square and symmetric, got row 0/], // biome-ignore format: one line
    [
      'a NaN on the way',
      () => H.apply(direction.map((x, i) => (i === 3 ? Number.NaN : x))),
      /a product must be finite, got NaN in params\.embed/,
    ],
    ['no products for a trace', () => hutchinson(small, { products: 0 }), /products must be a whole number of 1 or more/],
    ['a start of zeros', () => lanczos(small, { start: new Float64Array(2) }), /start must be a direction/],
    [
      'a loss that reads taps, of Gauss–Newton',
      () =>
        gaussNewton({ ...risk, loss: ({ logps, perTree, tap }) => logps.neg().add(perTree(sum(tap('blocks.0.out'), [-1]))) }).apply(
          direction,
        ),
      /must read the model through its log-probabilities alone, got one that also reads params\.embed/,
    ],
    [
      'a loss that reads no log-probability, of Gauss–Newton',
      () =>
        gaussNewton({ ...risk, wrt: (name) => name === 'params.norm', loss: ({ perTree, real }) => perTree(real) }).apply(
          new Float64Array(8),
        ),
      /must read log-probabilities, got one that reads none/,
    ],
  ]
  it.each(refusals)('%s', async (_, act, message) => {
    await expect(act()).rejects.toThrow(UserError)
    await expect(act()).rejects.toThrow(message)
  })

  it('a vector goes to parts and back', () => {
    expect(toVector(H, byParts(H, direction))).toEqual(direction)
  })
})

function apart(got: Vector, wanted: Vector): number {
  const length = (v: Vector) => Math.sqrt(v.reduce((total, x) => total + x * x, 0))
  return length(got.map((x, i) => x - wanted[i]!)) / length(wanted)
}
