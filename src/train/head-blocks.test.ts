import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { type DecoderConfig, freshAdapters, headBlocks, type Lora } from '../models/index.ts'
import { type CustomLoss, dpo, type Example } from '../objectives/index.ts'
import { openPolicy } from '../policy/index.ts'
import { microInputs, planOf } from './backward.ts'
import { microBatches, packingOf } from './micro-batch.ts'
import { traceStep } from './step.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const ids = (minLength: number, maxLength: number) => fc.array(fc.integer({ min: 3, max: 263 }), { minLength, maxLength })
const reference = () => fc.double({ min: -60, max: -5, noNaN: true })
/** Prompts with two completions each, of random lengths. */
const groups = fc.array(
  fc.record({ prompt: ids(1, 40), completions: fc.tuple(ids(1, 20), ids(1, 20)), reference: fc.tuple(reference(), reference()) }),
  { minLength: 1, maxLength: 4 },
)
const norm = (data: ArrayLike<number>) => Math.hypot(...Array.from(data))
const variants: Record<string, Omit<Lora, 'seed'> | undefined> = { trained: undefined, 'frozen under LoRA': { rank: 2, alpha: 4 } }

describe.each(['fixtures/llama-tiny', 'fixtures/llama-tiny-untied'])('the head of %s', async (folder) => {
  const model = await loadCheckpoint(folder)
  const losses: [string, CustomLoss | undefined][] = [
    ['the objective', undefined],
    ['a loss of entropy', ({ objective, entropy }) => objective.sub(entropy.mul(0.1))],
  ]
  const cases = Object.entries(variants).flatMap(([name, lora]) => losses.map(([of, loss]) => [name, of, lora, loss] as const))
  it.each(cases)('%s, in blocks, has the value and every gradient of the head in one piece: %s', async (_, __, lora, loss) => {
    const adapters = lora && freshAdapters(model.config, { ...lora, seed: 3 }, model.params)
    for (const { b } of Object.values(adapters?.layers ?? {})) (b.data as Float32Array).set(b.data.map((_, i) => Math.sin(i) / 50))
    const policy = await openPolicy(engine, model, adapters)
    const stepping = {
      policy,
      objective: dpo({ beta: 0.3 }),
      seed: 0,
      packing: packingOf(policy),
      referenceOf: async () => [],
      ...(loss ? { loss } : {}),
    }
    const sessions = new Set<string>()
    await fc.assert(
      fc.asyncProperty(groups, fc.constantFrom(2, 4, 8), async (trees, blocks) => {
        const now = trees.map(({ prompt, completions, reference }): Example => ({ tree: { prompt, completions }, reference, label: 1 }))
        const [micro] = microBatches(stepping.objective, now, stepping.packing)
        const resultsOf = async (blocks: number) => {
          const program = await engine.compile(traceStep({ ...planOf(stepping, now, micro!), blocks }).graph)
          sessions.add(JSON.stringify(Object.keys(program.nodes).includes('Scan')))
          const results = await program.run(await microInputs(stepping, { now, step: 1, asked: [], carried: [] }, micro!, program))
          await program.close()
          return results
        }
        const [want, got] = [await resultsOf(1), await resultsOf(blocks)]
        expectClose(got.loss!, want.loss!, tolerances.blockwise, 'loss')
        expectClose(got.logps!, want.logps!, tolerances.teacherForced, 'log-probabilities')
        for (const name of Object.keys(want).filter((name) => name.startsWith('grad.'))) {
          const [x, y] = [got[name]!.data, want[name]!.data]
          expect(norm(Array.from(x, (v, i) => v - y[i]!)), name).toBeLessThanOrEqual(tolerances.blockwise.relative * norm(y))
        }
      }),
      { numRuns: 4, seed: 11, endOnFailure: true },
    )
    // One of them runs in blocks, the other does not.
    expect([...sessions].sort()).toEqual(['false', 'true'])
  })
})

it('is in one piece while its logits are few, and then in a divisor of its vocabulary', () => {
  const config = (vocabSize: number, more: Partial<DecoderConfig> = {}) => ({ vocabSize, ...more }) as DecoderConfig
  const tried = [
    [config(32_000), 100, 1, 1],
    [config(32_000), 1000, 8, 1],
    [config(151_936), 1000, 64, 64],
    [config(50_257), 1000, 29, 29],
    // A prime vocabulary, and logits that are capped, stay whole.
    [config(50_261), 1000, 1, 1],
    [config(256_000, { logitCap: 30 }), 1000, 1, 1],
  ] as const
  for (const [of, tokens, frozen, trained] of tried)
    expect([headBlocks(of, tokens, { trained: false }), headBlocks(of, tokens, { trained: true })]).toEqual([frozen, trained])
})
