import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { type Checkpoint, loadAdapters, loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { freshAdapters, type Lora, mergeAdapters } from '../models/index.ts'
import { dpo, type Example } from '../objectives/index.ts'
import {
  openPolicy,
  openTrainee,
  type Policy,
  placeAdapters,
  policyOf,
  readAdapters,
  sampleCompletions,
  scoreTrees,
} from '../policy/index.ts'
import { adamw } from './adamw.ts'
import { backward } from './backward.ts'
import { packingOf } from './micro-batch.ts'
import { openTrainState } from './state.ts'
import { train } from './train.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const folder = 'fixtures/llama-tiny'
const objective = dpo({ beta: 0.3 })
const lazy = (name: string) => loadCheckpoint(name, { lazyFrom: 0 })

/** Prompts with two completions each, of random lengths. */
const groups = fc.array(
  fc.record({ prompt: ids(1, 40), completions: fc.tuple(ids(1, 20), ids(1, 20)), reference: fc.tuple(fc.double({ min: -60, max: -5, noNaN: true }), fc.double({ min: -60, max: -5, noNaN: true })) }),
  { minLength: 1, maxLength: 5 },
) // biome-ignore format: one line
function ids(minLength: number, maxLength: number) {
  return fc.array(fc.integer({ min: 3, max: 319 }), { minLength, maxLength })
}

/** A policy with adapters that are not at their start, or without. */
async function withAdapters(policy: Policy, { config, params }: Checkpoint, lora: Omit<Lora, 'seed'> | undefined, blockwise: boolean) {
  if (!lora) return policyOf(engine, config, policy.params, undefined, { blockwise })
  const { layers, ...how } = freshAdapters(config, { ...lora, seed: 3 }, params)
  const moved = Object.entries(layers).map(([path, { b, ...rest }]) => [path, { ...rest, b: { ...b, data: Float32Array.from(b.data, (_, i) => Math.sin(i) / 50) } }]) // biome-ignore format: one line
  return policyOf(engine, config, policy.params, await placeAdapters(engine, { ...how, layers: Object.fromEntries(moved) }), { blockwise })
}

/** Loss, log-probabilities and every gradient of one step. */
async function stepOf(policy: Policy, now: readonly Example[], tokenBudget: number) {
  const state = await openTrainState(policy, adamw(), { norm: 1 })
  const stepping = { policy, objective, seed: 0, packing: packingOf(policy, tokenBudget), referenceOf: async () => [] }
  const { loss, metrics } = await backward(stepping, state, now, 1)
  const grads = await Promise.all(Object.entries(state.grads).map(async ([name, one]) => [name, (await engine.read(one)).data] as const))
  await state.close()
  return { loss, metrics, grads }
}

const norm = (data: ArrayLike<number>) => Math.hypot(...Array.from(data))

const variants: Record<string, Omit<Lora, 'seed'> | undefined> = {
  full: undefined,
  LoRA: { rank: 2, alpha: 4 },
  'LoRA of the last block': { rank: 2, alpha: 4, layers: [1], targets: ['q', 'down'] },
  DoRA: { rank: 2, alpha: 4, dora: true },
}

describe.each(Object.entries(variants))('a step of %s', async (_, lora) => {
  const model = await lazy(folder)
  const inMemory = await openPolicy(engine, model)
  const streamed = await openPolicy(engine, model, undefined, { streamed: true })
  const whole = await withAdapters(inMemory, model, lora, false)
  // What is outside of the engine cannot be trained itself.
  const others = await Promise.all([inMemory, ...(lora ? [streamed] : [])].map((policy) => withAdapters(policy, model, lora, true)))

  it('block by block, with weights in memory or brought in from their file, has the loss and the gradients of the step in one piece', async () => {
    await fc.assert(
      fc.asyncProperty(groups, fc.constantFrom(1024, 128), async (trees, tokenBudget) => {
        const now = trees.map(({ prompt, completions, reference }): Example => ({ tree: { prompt, completions }, reference, label: 1 }))
        const want = await stepOf(whole, now, tokenBudget)
        for (const policy of others) {
          const got = await stepOf(policy, now, tokenBudget)
          expectClose([got.loss], [want.loss], tolerances.blockwise, 'loss')
          got.grads.forEach(([name, data], i) => {
            const wanted = want.grads[i]![1]
            expect(norm(data.map((x, k) => x - wanted[k]!)), name).toBeLessThanOrEqual(tolerances.blockwise.relative * norm(wanted))
          })
        }
      }),
      { numRuns: 3, seed: 7, endOnFailure: true },
    )
    for (const policy of [whole, ...others]) await policy.rest()
  })
})

describe.each(['fixtures/llama-tiny-untied', 'fixtures/family-gpt2', 'fixtures/family-gemma2', 'fixtures/gguf-tiny/model.gguf'])('%s with its weights outside of the engine', (name) => {
  it('scores and writes what it does with them in memory', async () => {
    const [memory, streamed] = [await openPolicy(engine, await loadCheckpoint(name)), await openPolicy(engine, await lazy(name), undefined, { streamed: true })]
    const trees = [{ prompt: [1, 5, 9], completions: [[7, 30, 12], [45]] }, { prompt: [8], completions: [[3, 4]] }]
    expectClose(await scoreTrees(streamed, trees), await scoreTrees(memory, trees), tolerances.teacherForced)
    const say = (policy: Policy) => sampleCompletions(policy, [[1, 5, 9]], { seed: 4, eosIds: [], maxTokens: 5 })
    const [[got], [want]] = [(await say(streamed))[0]!, (await say(memory))[0]!]
    expect(got!.ids).toEqual(want!.ids)
    expectClose(got!.logps, want!.logps, tolerances.teacherForced)
  })
}) // biome-ignore format: one line

describe('adapters on weights that are outside of the engine', async () => {
  const model = await lazy(folder)
  const reference = await openPolicy(engine, model, undefined, { streamed: true })
  const root = mkdtempSync(join(tmpdir(), 'innate-blockwise-'))
  afterAll(() => rmSync(root, { recursive: true }))
  const trees = [[[5, 9], [7, 30], [45]], [[8], [3, 4], [6]], [[11, 2], [9], [1, 2]]] as const // biome-ignore format: one line
  const examples = trees.map(([prompt, ...completions]): Example => ({ tree: { prompt, completions }, reference: [], label: 1 }))
  const scored = async () => {
    const logps = await scoreTrees(reference, examples.map(({ tree }) => tree)) // biome-ignore format: one line
    return examples.map((example, i) => ({ ...example, reference: logps.slice(2 * i, 2 * i + 2) }))
  }

  it('go on from a checkpoint bit for bit, and are saved as a model and as they are', async () => {
    const file = join(root, 'state.safetensors')
    const run = async (...stops: (number | undefined)[]) => {
      const trainee = await openTrainee(reference, model, { lora: { rank: 2, alpha: 4 }, seed: 1 })
      const losses: number[] = []
      for (const [i, maxSteps] of stops.entries())
        await train({
          ...{ policy: trainee.policy, objective, examples: await scored(), optimizer: adamw({ lr: 1e-2 }), clip: 1, batch: 1, epochs: 2, seed: 0 },
          ...{ schedule: { name: 'constant', warmup: 0 }, referenceOf: async () => [], checkpoint: { file, everySeconds: 60 }, resume: i > 0 },
          ...(maxSteps ? { maxSteps } : {}),
          onStep: ({ loss }) => void losses.push(loss),
        }) // biome-ignore format: one line
      return { trainee, losses }
    }
    const [whole, resumed] = [await run(undefined), await run(2, undefined)]
    expect(resumed.losses).toEqual(whole.losses)
    expect(whole.losses.at(-1)).toBeLessThan(whole.losses[0]!)
    await resumed.trainee.save(join(root, 'model'))
    const adapters = await readAdapters(whole.trainee.policy)
    const saved = await loadCheckpoint(join(root, 'model'))
    const merged = mergeAdapters((await loadCheckpoint(folder)).params, adapters!)
    expect(saved.params.blocks[1]!.mlp.down.data).toEqual(merged.blocks[1]!.mlp.down.data)
    expect((await loadAdapters(join(root, 'model', 'adapter'), model.config)).layers['blocks.0.attn.q']!.b.data).toEqual(adapters!.layers['blocks.0.attn.q']!.b.data) // biome-ignore format: one line
  })
})
