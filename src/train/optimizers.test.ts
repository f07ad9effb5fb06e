import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { graph, tensor, UserError } from '../graph/index.ts'
import { dpo, type Example } from '../objectives/index.ts'
import { openPolicy, scoreTrees } from '../policy/index.ts'
import { loadPairs, pairTree } from '../preferences/index.ts'
import type { Metrics } from '../runs/index.ts'
import { type Clip, clipFactors } from './clip.ts'
import { type Optimizer, traceUpdate, type WholeStep } from './optimizer.ts'
import { optimizerFrom, optimizers } from './optimizers.ts'
import { sgd } from './sgd.ts'
import { train } from './train.ts'

interface Golden {
  readonly start: number[]
  readonly grads: number[][]
  readonly cases: { readonly optimizer: string; readonly params: Record<string, number | string>; readonly steps: number[][] }[]
}
const golden: Golden = JSON.parse(readFileSync('fixtures/optimizers/golden.json', 'utf8'))
const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())

describe.each(Object.entries(optimizers))('%s', (name, make) => {
  it('says what it is, where it comes from, and what can be set', () => {
    const { definition } = make
    expect(definition.name).toBe(name)
    expect(definition.about.length).toBeGreaterThan(20)
    const defaults = Object.fromEntries(Object.entries(definition.params).map(([key, param]) => [key, param.default]))
    expect(optimizerFrom({ name })).toMatchObject({ name, params: defaults })
    expect(golden.cases.some(({ optimizer }) => optimizer === name)).toBe(true)
  })

  it('refuses what is out of bounds, naming field and bound', () => {
    for (const lr of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '1e-4', [1], null])
      expect(() => optimizerFrom({ name, lr })).toThrow(/^train\.optimizer\.lr: must be a number above 0 \(.*\), got .*; the default is/)
    expect(() => optimizerFrom({ name, weight_decay: 0.1 })).toThrow(
      `train.optimizer.weight_decay: must be a parameter of ${name}, got 0.1`,
    )
  })
})

it('an optimizer that is not there is refused, and a decay of 1', () => {
  expect(() => optimizerFrom({ name: 'muon' })).toThrow(
    'train.optimizer.name: must be an optimizer, got "muon"; choose from adamw, sgd, lion',
  )
  expect(() => optimizerFrom({ name: 'adamw', beta2: 1 })).toThrow(
    'must be a number of at least 0 and below 1, got 1; the default is 0.999',
  )
})

it.each(golden.cases.map((one) => [`${one.optimizer} ${JSON.stringify(one.params)}`, one] as const))(
  'twenty updates of %s equal the oracle’s (fixtures/optimizers)',
  async (_, { optimizer: name, params, steps }) => {
    const optimizer = optimizerFrom({ name, ...params })
    const shape = [golden.start.length]
    const { inputs, outputs } = traceUpdate(optimizer)
    const kernel = await engine.compileUpdate(graph(inputs, outputs))
    const names = ['param', 'grad', ...optimizer.state]
    const arrays = Object.fromEntries(
      await Promise.all(names.map(async (key) => [key, await engine.allocate({ dtype: 'f32', shape })] as const)),
    )
    await engine.write(arrays.param!, tensor(golden.start, shape))
    for (const [i, grad] of golden.grads.entries()) {
      await engine.write(arrays.grad!, tensor(grad, shape))
      await kernel.apply([arrays], { lr: params.lr as number, clip: 1, ...optimizer.scalars(i + 1) })
      const want = { dtype: 'f32', shape, data: Float64Array.from(steps[i]!) } as const
      expectClose(await engine.read(arrays.param!), want, tolerances.golden, `step ${i + 1}`)
    }
  },
)

describe('clip', () => {
  const squares = new Map([
    ['params.embed', 9],
    ['params.blocks.0.attn.q', 16],
    ['params.blocks.0.mlp.up', 9],
    ['lora.blocks.1.attn.q.a', 0.25],
  ])
  const factors = (clip: Clip) => [...clipFactors(clip, squares).values()]

  it('norm: all by one factor, so that the whole is no longer than that', () => {
    const norm = Math.sqrt(34.25)
    for (const factor of factors({ norm: 2 })) expect(factor).toBeCloseTo(2 / norm, 6)
    expect(factors({ norm: 6 })).toEqual([1, 1, 1, 1])
  })

  it('perGroup: each block, and each of the rest, by its own', () => {
    const [embed, q, up, other] = factors({ perGroup: 1 })
    expect([embed, q, up, other].map((x) => x!.toFixed(5))).toEqual(['0.33333', '0.20000', '0.20000', '1.00000'])
  })

  it('value: every entry is cut', async () => {
    const { inputs, outputs } = traceUpdate(sgd({ lr: 1 }), { limited: true })
    const kernel = await engine.compileUpdate(graph(inputs, outputs))
    const [param, grad] = [await engine.allocate({ dtype: 'f32', shape: [4] }), await engine.allocate({ dtype: 'f32', shape: [4] })]
    await engine.write(grad, tensor([3, -3, 0.25, -0.25], [4]))
    await kernel.apply([{ param, grad }], { lr: 1, limit: 0.5 })
    expect(Array.from((await engine.read(param)).data)).toEqual([-0.5, 0.5, -0.25, 0.25])
  })
})

describe('training with', async () => {
  const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
  const { examples: pairs } = await loadPairs('fixtures/trl-sigmoid/pairs.jsonl', checkpoint)
  const trees = pairs.slice(0, 8).map(pairTree)

  async function trained(optimizer: Optimizer, clip: number | Clip = 1, maxSteps = 4) {
    const policy = await openPolicy(engine, checkpoint)
    const reference = await scoreTrees(policy, trees)
    const examples = trees.map((tree, i): Example => ({ tree, reference: reference.slice(2 * i, 2 * i + 2), label: 1 }))
    const steps: Metrics[] = []
    await train({
      ...{
        policy,
        objective: dpo(),
        examples,
        optimizer,
        clip,
        batch: 8,
        epochs: maxSteps,
        seed: 0,
        shuffle: false,
        maxSteps,
        tokenBudget: 512,
      },
      schedule: { name: 'constant', warmup: 0 },
      referenceOf: async () => [],
      onStep: (metrics) => void steps.push(metrics),
    })
    return { steps, embed: (await engine.read(policy.params.embed)).data }
  }

  it.each(Object.entries({ sgd: { lr: 0.1, momentum: 0.5 }, lion: { lr: 1e-3 } }))('%s lowers the loss', async (name, params) => {
    const { steps } = await trained(optimizerFrom({ name, ...params }))
    expect(steps.at(-1)!.loss).toBeLessThan(steps[0]!.loss - 0.05)
  })

  it('a clip by group or by value takes another step than one by norm', async () => {
    const losses = async (clip: number | Clip) => (await trained(sgd({ lr: 0.1 }), clip, 2)).steps[1]!.loss
    const [plain, norm, group, value] = [
      await losses(0.1),
      await losses({ norm: 0.1 }),
      await losses({ perGroup: 0.1 }),
      await losses({ value: 0.1 }),
    ]
    expect(norm).toBe(plain)
    expect(new Set([norm, group, value]).size).toBe(3)
  })

  /** Another optimizer with a step of its own. */
  const whole = (step: (at: WholeStep) => Promise<void>): Optimizer => ({ ...sgd({ lr: 0.1 }), step })

  it('a step that takes the gradient again where it was, and then updates, is the plain step', async () => {
    const [plain, twice] = [
      await trained(sgd({ lr: 0.1 })),
      await trained(
        whole(async ({ backward, update }) => {
          await backward()
          await update()
        }),
      ),
    ]
    expect(twice.steps.map(({ loss }) => loss)).toEqual(plain.steps.map(({ loss }) => loss))
    expect(twice.embed).toEqual(plain.embed)
  })

  it('a step may go elsewhere for its gradient (SAM), and change what it reads as a whole (Muon)', async () => {
    const seen: number[] = []
    const sam = whole(async ({ engine, params, grads, backward, update }) => {
      const read = async (names: string[], from: WholeStep['params']) =>
        new Map(await Promise.all(names.map(async (name) => [name, await engine.read(from[name]!)] as const)))
      const names = Object.keys(params)
      const [before, gradient] = [await read(names, params), await read(names, grads)]
      const norm = Math.sqrt([...gradient.values()].reduce((sum, { data }) => sum + Array.from(data).reduce((a, g) => a + g * g, 0), 0))
      const moved = (by: number) => async (name: string) => {
        const { data, shape } = before.get(name)!
        const along = gradient.get(name)!.data
        await engine.write(
          params[name]!,
          tensor(
            Float32Array.from(data, (w, i) => w + (by * along[i]!) / norm),
            shape,
          ),
        )
      }
      await Promise.all(names.map(moved(0.05)))
      await backward()
      const there = await read(names, grads)
      seen.push(Math.sqrt([...there.values()].reduce((sum, { data }) => sum + Array.from(data).reduce((a, g) => a + g * g, 0), 0)) / norm)
      await Promise.all(names.map(moved(0)))
      await update()
    })
    const [plain, other] = [await trained(sgd({ lr: 0.1 })), await trained(sam)]
    expect(other.steps[0]!.loss).toBe(plain.steps[0]!.loss)
    expect(other.steps[1]!.loss).not.toBe(plain.steps[1]!.loss)
    for (const ratio of seen) expect(ratio).not.toBe(1)
  })

  it('a rate that is no number is refused while the recipe is read', () => {
    expect(() => sgd({ lr: Number.NaN })).toThrow(UserError)
  })
})
