import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { type Adapters, freshAdapters } from '../models/index.ts'
import { dpo, type Example } from '../objectives/index.ts'
import { openPolicy, packTrees, readAdapters, scoreTrees, type Tree, textTree } from '../policy/index.ts'
import { loadPairs, pairTree } from '../preferences/index.ts'
import type { Metrics } from '../runs/index.ts'
import { adamw } from './adamw.ts'
import { dropoutMasks } from './dropout.ts'
import { type Training, train } from './train.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
const lora = { rank: 4, alpha: 8, seed: 0 }

describe('the masks of a step', () => {
  const adapters = freshAdapters(checkpoint.config, { ...lora, dropout: 0.25 })
  const trees = Array.from({ length: 6 }, (_, i) => textTree(Array.from({ length: 20 + i }, (_, k) => k + 2)))
  const masksOf = (tokenBudget: number, at = { seed: 3, step: 1 }, given: Adapters<{ readonly shape: readonly number[] }> = adapters) =>
    packTrees(trees, { tokenBudget, lengths: 32, wantedMultiple: 1 }).map((batch) => ({
      batch,
      masks: dropoutMasks(given, { part: batch, trees: batch.trees.map((tree) => trees[tree]!) }, at),
    }))
  /** What each example's tokens are multiplied by at one layer, in the order of examples. */
  const byTree = (parts: ReturnType<typeof masksOf>, path: string) =>
    trees.map((_, tree) => {
      const { batch, masks } = parts.find(({ batch }) => batch.trees.includes(tree))!
      const { at, length } = batch.starts[batch.trees.indexOf(tree)]!
      const mask = masks[`mask.${path}`]!
      const width = mask.shape[2]!
      return Array.from(mask.data.subarray(at * width, (at + length) * width))
    })

  it('drop the share that was asked for, and make the rest that much larger', () => {
    const values = byTree(masksOf(512), 'blocks.0.mlp.down').flat()
    expect(new Set(values)).toEqual(new Set([0, Math.fround(4 / 3)]))
    const share = values.filter((x) => x === 0).length / values.length
    expect(Math.abs(share - 0.25)).toBeLessThan(4 * Math.sqrt((0.25 * 0.75) / values.length))
  })

  it('share nothing between layers, examples, tokens, channels, steps and seeds', () => {
    const one = byTree(masksOf(512), 'blocks.0.attn.q')
    const others = [
      byTree(masksOf(512), 'blocks.1.attn.q'),
      byTree(masksOf(512), 'blocks.0.attn.k'),
      [...one.slice(1), one[0]!],
      one.map((mask) => [...mask.slice(64), ...mask.slice(0, 64)]),
      one.map((mask) => [...mask.slice(1), mask[0]!]),
      byTree(masksOf(512, { seed: 3, step: 2 }), 'blocks.0.attn.q'),
      byTree(masksOf(512, { seed: 4, step: 1 }), 'blocks.0.attn.q'),
    ]
    for (const other of others) {
      const pairs = one.flatMap((mask, i) => mask.slice(0, 1200).map((x, k) => [x, other[i]![k]!] as const))
      const both = pairs.filter(([a, b]) => a === 0 && b === 0).length / pairs.length
      expect(Math.abs(both - 1 / 16)).toBeLessThan(4 * Math.sqrt(((1 / 16) * (15 / 16)) / pairs.length))
    }
  })

  it('are the same however the step is packed', () => {
    const [whole, parts] = [masksOf(512), masksOf(32)]
    expect([whole.length, parts.length]).toEqual([1, 6])
    for (const path of Object.keys(adapters.layers)) expect(byTree(parts, path)).toEqual(byTree(whole, path))
  })

  it('are a prompt’s own and a completion’s own, whatever else is beside them', () => {
    const prompt = [3, 4, 5, 6]
    const [one, other, third] = [
      [7, 8, 9, 10, 11],
      [12, 13, 14, 15],
      [16, 17],
    ]
    const maskOf = (tree: Tree, at = 0) => {
      const [part] = packTrees([{ prompt: [9, 9, 9], completions: [[2]] }, tree].slice(at), {
        tokenBudget: 64,
        lengths: 32,
        wantedMultiple: 1,
      })
      const here = part!.trees.map((index) => [{ prompt: [9, 9, 9], completions: [[2]] }, tree].slice(at)[index]!)
      const mask = dropoutMasks(adapters, { part: part!, trees: here }, { seed: 3, step: 1 })['mask.blocks.0.attn.q']!
      const { at: start, length } = part!.starts.at(-1)!
      const width = mask.shape[2]!
      return Array.from({ length }, (_, i) => Array.from(mask.data.subarray((start + i) * width, (start + i + 1) * width)))
    }
    const both = maskOf({ prompt, completions: [one, other] })
    expect(maskOf({ prompt, completions: [one] })).toEqual(both.slice(0, 8))
    expect(maskOf({ prompt, completions: [other] }, 1).slice(4)).toEqual(both.slice(8))
    const shared = maskOf({ prompt, completions: [third, other, one] })
    expect([shared.slice(0, 4), shared.slice(5, 8), shared.slice(8)]).toEqual([both.slice(0, 4), both.slice(8), both.slice(4, 8)])
    expect(maskOf({ prompt: [3, 4, 5, 7], completions: [one] })[0]).not.toEqual(both[0])
  })

  it('are none without dropout', () => {
    expect(masksOf(512, { seed: 0, step: 1 }, freshAdapters(checkpoint.config, lora)).map(({ masks }) => masks)).toEqual([{}])
  })
})

/** Some steps of DPO on TRL's pairs with adapters. */
async function trained(more: Partial<Training>, dropout: number, dora = false, given?: readonly Tree[]) {
  const { examples: pairs } = await loadPairs('fixtures/trl-sigmoid/pairs.jsonl', checkpoint)
  const policy = await openPolicy(engine, checkpoint, freshAdapters(checkpoint.config, { ...lora, dropout, dora }, checkpoint.params))
  const trees = given ?? pairs.map(pairTree)
  const reference = await scoreTrees(policy, trees)
  const steps: Metrics[] = []
  await train({
    policy,
    objective: dpo(),
    examples: trees.map((tree, i): Example => ({ tree, reference: reference.slice(2 * i, 2 * i + 2), label: 1 })),
    optimizer: adamw({ lr: 1e-2 }),
    schedule: { name: 'constant', warmup: 0 },
    clip: 1,
    batch: 8,
    epochs: 3,
    seed: 0,
    referenceOf: async () => [],
    onStep: (metrics) => void steps.push(metrics),
    ...more,
  })
  return { steps, adapters: (await readAdapters(policy))! }
}

const told = (steps: readonly Metrics[]) => steps.map(({ step, loss, gradNorm }) => [step, loss, gradNorm])

describe('training with dropout', () => {
  it('drops in training, and differently with another seed', async () => {
    const [none, some, other] = [
      await trained({ maxSteps: 2 }, 0),
      await trained({ maxSteps: 2 }, 0.5),
      await trained({ maxSteps: 2, seed: 1 }, 0.5),
    ]
    expect(some.steps[1]!.loss).not.toBe(none.steps[1]!.loss)
    expect(some.steps[0]!.gradNorm).not.toBe(none.steps[0]!.gradNorm)
    expect(other.steps[0]!.gradNorm).not.toBe(some.steps[0]!.gradNorm)
  })

  it.each([false, true])('a resumed run equals an uninterrupted one, byte for byte (DoRA: %s)', async (dora) => {
    const file = join(await mkdtemp(join(tmpdir(), 'innate-')), 'state.safetensors')
    const checkpointing = { checkpoint: { file, everySeconds: 1000 }, resume: true }
    const straight = await trained({ maxSteps: 6 }, 0.3, dora)
    const first = await trained({ maxSteps: 3, ...checkpointing }, 0.3, dora)
    const second = await trained({ maxSteps: 6, ...checkpointing }, 0.3, dora)
    expect([...told(first.steps), ...told(second.steps)]).toEqual(told(straight.steps))
    expect(second.adapters).toEqual(straight.adapters)
  })

  it('examples that share a prompt and a completion have the gradient that they have apart', async () => {
    const { examples: pairs } = await loadPairs('fixtures/trl-sigmoid/pairs.jsonl', checkpoint)
    const [a, b, c] = pairs.slice(0, 3).flatMap(({ chosen, rejected }) => [chosen, rejected])
    const trees = [
      [a, b],
      [b, c],
      [a, c],
    ].map(([one, other]) => ({ prompt: pairs[0]!.prompt, completions: [one!, other!] }))
    const run = async (tokenBudget: number) =>
      (await trained({ maxSteps: 2, tokenBudget, batch: 3, together: true }, 0.3, false, trees)).steps
    const [joined, apart] = [await run(1024), await run(1)]
    for (const [i, { gradNorm, loss }] of joined.entries()) {
      expect(Math.abs(apart[i]!.loss - loss)).toBeLessThan(1e-6)
      expect(Math.abs(apart[i]!.gradNorm / gradNorm - 1)).toBeLessThan(1e-5)
    }
  })

  it('accumulation over micro-batches equals the big batch', async () => {
    const [whole, parts] = [await trained({ maxSteps: 3, tokenBudget: 4096 }, 0.3), await trained({ maxSteps: 3, tokenBudget: 192 }, 0.3)]
    whole.steps.forEach((step, i) => {
      expect(parts.steps[i]!.loss).toBeCloseTo(step.loss, 4)
      expect(parts.steps[i]!.gradNorm / step.gradNorm).toBeCloseTo(1, 3)
    })
  })
})
