import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { loadCheckpoint, readSafetensors } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { slice, stopGradient, sum, type Tensor, tensor, UserError, type Value } from '../graph/index.ts'
import { freshAdapters } from '../models/index.ts'
import { edited, openPolicy, textTree } from '../policy/index.ts'
import { type ByParameter, gradientOf, hvp, perExample, type Risk, type SeenTrees } from './index.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())

const golden = JSON.parse(readFileSync('fixtures/curvature/golden.json', 'utf8')) as {
  tokens: number[][]
  losses: number[]
  gradNorm: number
  slopeAlong: number
  curvatureAlong: number
  gram: number[][]
}
const stored = await readSafetensors('fixtures/curvature/golden.safetensors')
const named = (prefix: string): ByParameter =>
  Object.fromEntries(
    [...stored].flatMap(([name, value]) => (name.startsWith(prefix) ? [[`params.${name.slice(prefix.length)}`, value]] : [])),
  )
const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
const policy = await openPolicy(engine, checkpoint)
const trees = golden.tokens.map(textTree)
const likelihood = ({ logps }: SeenTrees) => logps.neg()
const risk: Risk = { policy, trees, loss: likelihood, reduce: 'mean' }

describe('a risk on llama-tiny, against PyTorch in f64 (fixtures/curvature, by oracle/)', () => {
  const { relative } = tolerances.curvature

  it('gradient: value, norm and slope along a direction', async () => {
    const { risk: value, gradient, ...taken } = await gradientOf(risk)
    expect(taken).toEqual({ trees: 5, reduce: 'mean', marks: [] })
    expect(value / mean(golden.losses)).toBeCloseTo(1, 6)
    expect(Math.sqrt(dot(gradient, gradient)) / golden.gradNorm).toBeCloseTo(1, 5)
    expect(Math.abs(dot(gradient, named('direction.')) - golden.slopeAlong)).toBeLessThan(relative * golden.gradNorm)
  })

  it('a Hessian times a vector, entry by entry and along the vector', async () => {
    const direction = named('direction.')
    const { product } = await hvp(risk, direction)
    const wanted = named('product.')
    expect(Object.keys(product).sort()).toEqual(Object.keys(wanted).sort())
    expect(distance(product, wanted) / norm(wanted)).toBeLessThan(relative)
    expect(Math.abs(dot(product, direction) / golden.curvatureAlong - 1)).toBeLessThan(relative)
  })

  it('products of the texts’ own gradients, one text at a time', async () => {
    const { values } = await perExample(risk, ({ gradient, loss }) => ({ gradient, loss }))
    for (const [i, { loss }] of values.entries()) expect(loss / golden.losses[i]!).toBeCloseTo(1, 6)
    const largest = Math.max(...golden.gram.flat())
    for (const [i, a] of values.entries())
      for (const [k, b] of values.entries())
        expect(Math.abs(dot(a.gradient, b.gradient) - golden.gram[i]![k]!)).toBeLessThan(relative * largest)
  })

  it('the mean of the texts’ gradients is the gradient, a sum is five times a mean, and batches do not change it', async () => {
    const whole = await gradientOf(risk)
    const summed = await gradientOf({ ...risk, reduce: 'sum', tokenBudget: 64 })
    const { values } = await perExample(risk, ({ gradient }) => gradient)
    for (const [name, { data }] of Object.entries(whole.gradient)) {
      expectClose(
        summed.gradient[name]!.data,
        Float64Array.from(data, (x) => 5 * x),
        tolerances.curvatureSums,
      )
      expectClose(
        Float64Array.from(data, (_, i) => mean(values.map((one) => one[name]!.data[i]!))),
        data,
        tolerances.curvatureSums,
      )
    }
  })

  it('a part of the parameters: the gradient is the same there, and nothing else is asked', async () => {
    const part = await gradientOf({ ...risk, wrt: (name) => name === 'params.blocks.1.mlp.up' })
    expect(Object.keys(part.gradient)).toEqual(['params.blocks.1.mlp.up'])
    const whole = await gradientOf(risk)
    expect(distance(part.gradient, { 'params.blocks.1.mlp.up': whole.gradient['params.blocks.1.mlp.up']! })).toBeLessThan(1e-4)
  })

  it('V-HVP-1: of a quadratic form in one parameter it is H·v; of a form that is linear it is zero', async () => {
    const H = [
      [2, 1],
      [1, -3],
    ] as const
    // ½·(first two entries of the last norm)ᵀ H (the same), once for each of five texts.
    const form = ({ params, perTree, real }: SeenTrees): Value => {
      const pick = (i: number) => sum(slice(params.norm, 0, i, i + 1))
      const [a, b] = [pick(0), pick(1)]
      const value = a
        .mul(a)
        .mul(H[0][0] / 2)
        .add(a.mul(b).mul(H[0][1]))
        .add(b.mul(b).mul(H[1][1] / 2))
      return perTree(real).mul(0).add(value)
    }
    const wrt = (name: string) => name === 'params.norm'
    const unit = (i: number) => ({
      'params.norm': tensor(
        Float32Array.from({ length: 64 }, (_, k) => (k === i ? 1 : 0)),
        [64],
      ),
    })
    for (const i of [0, 1]) {
      const { product } = await hvp({ ...risk, loss: form, wrt }, unit(i))
      expect([...product['params.norm']!.data.slice(0, 3)].map((x) => Math.round(x * 1e5) / 1e5)).toEqual([H[i]![0], H[i]![1], 0])
    }
    const linear = ({ params, perTree, real }: SeenTrees) => perTree(real).mul(0).add(sum(params.norm))
    const { product } = await hvp({ ...risk, loss: linear, wrt }, unit(0))
    expect(Math.max(...product['params.norm']!.data.map(Math.abs))).toBe(0)
  })
})

describe('a risk that is no function of its parameters alone is refused', () => {
  it('trees that move between passes', async () => {
    let pass = 0
    const moving = { ...risk, trees: () => (pass++ % 2 ? trees : trees.toReversed()) }
    await expect(gradientOf(moving)).rejects.toThrow(/two passes must be over the same trees/)
  })

  it('a feed that moves between passes', async () => {
    let strength = 0
    const moving = edited(policy, (_, x, { input }) => x.add(input('strength', [])), {
      at: 'blocks.0.out',
      feeds: () => ({ strength: tensor([strength++], []) }),
    })
    await expect(hvp({ ...risk, policy: moving }, named('direction.'))).rejects.toThrow(/two passes must give the same losses/)
    await expect(perExample({ ...risk, policy: moving }, () => 0)).rejects.toThrow(/two passes must give the same losses/)
  })

  it('a gradient mark, unless it is allowed, and then it is named', async () => {
    const marked = {
      ...risk,
      loss: ({ logps, perTree, tap }: SeenTrees) => logps.neg().add(perTree(sum(stopGradient(tap('blocks.0.out')), [-1]))),
    }
    await expect(gradientOf(marked)).rejects.toThrow(UserError)
    await expect(gradientOf(marked)).rejects.toThrow(/stopGradient.*marks: 'allow'/)
    const { marks, gradient } = await gradientOf({ ...marked, marks: 'allow' })
    expect(marks).toEqual(['stopGradient (stop: the gradient is zero by declaration)'])
    expect(distance(gradient, (await gradientOf(risk)).gradient)).toBeLessThan(1e-3)
  })

  it('the norm of DoRA, a constant to the gradient, is such a mark; plain adapters have none', async () => {
    const adapters = (dora: boolean) => freshAdapters(checkpoint.config, { rank: 2, alpha: 4, seed: 1, dora }, checkpoint.params)
    const withDora = await openPolicy(engine, checkpoint, adapters(true))
    await expect(gradientOf({ ...risk, policy: withDora })).rejects.toThrow(/stopGradient/)
    const { gradient } = await gradientOf({ ...risk, policy: await openPolicy(engine, checkpoint, adapters(false)) })
    expect(Object.keys(gradient).every((name) => name.startsWith('lora.'))).toBe(true)
  })

  it.each([
    ['no trees', { trees: [] }, /at least one tree/],
    ['no parameter', { wrt: () => false }, /wrt must choose a parameter/],
    ['a loss of another shape', { loss: ({ logps }: SeenTrees) => sum(logps) }, /a loss must be f32\[5\]/],
    ['a tap that is not there', { loss: ({ tap }: SeenTrees) => tap('nowhere') }, /a tap must be one of the model's, got nowhere/],
  ])('%s', async (_, change, message) => {
    await expect(gradientOf({ ...risk, ...change } as Risk)).rejects.toThrow(message)
  })

  it('a direction that is not shaped like its parameter', async () => {
    await expect(hvp(risk, { 'params.norm': tensor([1], [1]) })).rejects.toThrow(/v must be shaped like the parameters/)
    await expect(hvp(risk, { 'params.nothing': tensor([1], [1]) })).rejects.toThrow(/which is no parameter/)
  })
})

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length
}

function dot(a: ByParameter, b: ByParameter): number {
  return Object.entries(b).reduce(
    (total, [name, { data }]) => (data as Float32Array).reduce((sum, x, i) => sum + x * a[name]!.data[i]!, total),
    0,
  )
}

function norm(a: ByParameter): number {
  return Math.sqrt(dot(a, a))
}

/** The norm of the difference. */
function distance(a: ByParameter, b: ByParameter): number {
  const difference = ([name, { data, shape }]: [string, Tensor]) => [
    name,
    tensor(
      Float64Array.from(data, (x, i) => x - a[name]!.data[i]!),
      shape,
    ),
  ]
  return norm(Object.fromEntries(Object.entries(b).map(difference)))
}
