import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { slice, sum } from '../graph/index.ts'
import { freshAdapters } from '../models/index.ts'
import { openPolicy, type Policy, type Tree, textTree } from '../policy/index.ts'
import { exampleNorms, perExample, type Risk, type SeenTrees } from './index.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const likelihood = ({ logps, perTree }: SeenTrees) => perTree(logps).neg()
/** Biases, learned positions, parallel blocks, norms around zero, caps, norms of queries, an untied head. */
const families = ['family-gpt2', 'family-gpt-neox', 'family-gemma2', 'family-qwen3', 'llama-tiny-untied']
const trees: Tree[] = [textTree([1, 7, 7, 3, 9, 7]), { prompt: [1, 5, 4], completions: [[6, 7], [8, 6, 6, 2]] }, textTree([1, 2])] // biome-ignore format: one line

/** The worst relative error of ‖g‖² of a parameter of a tree, beside the largest ‖g‖² of that tree. */
async function apart(risk: Risk): Promise<{ worst: number; alone: readonly string[] }> {
  const { norms, squares, alone, risk: value } = await exampleNorms(risk)
  const wanted = await perExample(risk, ({ gradient }) =>
    Object.fromEntries(
      Object.entries(gradient).map(([name, { data }]) => [name, (data as Float32Array).reduce((total, x) => total + x * x, 0)]),
    ),
  )
  expect(value).toBeCloseTo(wanted.risk, 4)
  expect(Object.keys(squares).sort()).toEqual(Object.keys(wanted.values[0]!).sort())
  const worst = wanted.values.map((of, i) => {
    const whole = Object.values(of).reduce((a, b) => a + b, 0)
    const worstOfTree = Object.entries(of).map(([name, x]) => Math.abs(squares[name]![i]! - x) / (x + 1e-5 * whole))
    return Math.max(...worstOfTree, Math.abs(norms[i]! ** 2 / whole - 1))
  })
  return { worst: Math.max(...worst), alone }
}

describe('norms of the gradients of single texts, of a batch at a time, against the gradients themselves', () => {
  it.each(families)('%s: every parameter, none taken alone', async (name) => {
    const { config, params } = await loadCheckpoint(`fixtures/${name}`)
    const policy = await openPolicy(engine, { config, params })
    const { worst, alone } = await apart({ policy, trees, loss: likelihood, reduce: 'mean' })
    expect(alone).toEqual([])
    expect(worst).toBeLessThan(1e-3)
    await policy.rest()
  })

  const opened = loadCheckpoint('fixtures/llama-tiny').then(async (checkpoint) => ({
    checkpoint,
    policy: await openPolicy(engine, checkpoint),
  }))

  it('whatever the texts, and however they lie in batches', async () => {
    const { policy } = await opened
    const text = fc.array(fc.integer({ min: 2, max: 12 }), { minLength: 2, maxLength: 40 }).map(textTree)
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 5 }), fc.constantFrom(64, 1024), async (some, tokenBudget) => {
        expect((await apart({ policy, trees: some, loss: likelihood, reduce: 'sum', tokenBudget })).worst).toBeLessThan(1e-3)
      }),
      { numRuns: 5 },
    )
  })

  it('what a loss reads otherwise is taken alone, and right', async () => {
    const { policy } = await opened
    const loss = (seen: SeenTrees) => likelihood(seen).add(sum(slice(seen.params.norm, 0, 0, 3)))
    const { worst, alone } = await apart({ policy, trees, loss, reduce: 'mean' })
    expect(alone).toEqual(['params.norm'])
    expect(worst).toBeLessThan(1e-3)
  })

  it('adapters are taken alone, and right', async () => {
    const { checkpoint } = await opened
    const adapters = freshAdapters(checkpoint.config, { rank: 2, alpha: 4, seed: 1 }, checkpoint.params)
    const policy: Policy = await openPolicy(engine, checkpoint, adapters)
    const { worst, alone } = await apart({ policy, trees: trees.slice(0, 2), loss: likelihood, reduce: 'mean' })
    expect(alone.length).toBeGreaterThan(0)
    expect(worst).toBeLessThan(1e-3)
  })
})
