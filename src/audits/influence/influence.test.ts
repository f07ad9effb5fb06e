import { afterAll, describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../../checkpoints/index.ts'
import { openEngine } from '../../engine/index.ts'
import { dpo, type Example } from '../../objectives/index.ts'
import { openPolicy, openTrainee, scoreTrees } from '../../policy/index.ts'
import { loadPairs, pairTree } from '../../preferences/index.ts'
import { sgd, type Training } from '../../train/index.ts'
import { influence } from './influence.ts'
import { checkInfluence, leaveOut } from './leave-out.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
const { examples: pairs } = await loadPairs('fixtures/trl-sigmoid/pairs.jsonl', checkpoint)
const start = await openPolicy(engine, checkpoint)
const trees = pairs.map(pairTree)
const reference = await scoreTrees(start, trees)
const examples = trees.map((tree, i): Example => ({ tree, reference: reference.slice(2 * i, 2 * i + 2), label: 1 }))
const [trained, test] = [examples.slice(0, 20), examples.slice(24, 30)]

const objective = dpo({ beta: 0.1 })
const trainee = await openTrainee(start, checkpoint, { lora: { rank: 4, alpha: 8 }, seed: 0 })

async function fresh(): Promise<Training> {
  await trainee.reset()
  return {
    policy: trainee.policy,
    objective,
    examples: trained,
    optimizer: sgd({ lr: 0.5 }),
    schedule: { name: 'constant', warmup: 0 },
    clip: 1e9,
    batch: 20,
    epochs: 2,
    seed: 0,
    referenceOf: async () => [],
  }
}

describe('influence on llama-tiny', () => {
  it('goes together with what leaving a pair out does, and shuffled does not', async () => {
    const estimates = await influence(await fresh(), { test })
    const leftOut = await leaveOut(
      fresh,
      test,
      trained.map((_, i) => i),
    )
    const check = checkInfluence(estimates, leftOut, 0)
    for (const { low } of [check.tracIn, check.kronecker]) expect(low).toBeGreaterThan(0.85)
    for (const { low, high } of Object.values(check.shuffled)) expect(low < 0 && high > 0).toBe(true)
    // The scale as well: what the estimates add up to in size is what was seen, within a third.
    const size = (values: readonly number[]) => values.reduce((sum, x) => sum + Math.abs(x), 0)
    const seen = size(leftOut.map(({ rise }) => rise))
    for (const name of ['tracIn', 'kronecker'] as const) {
      const share = size(estimates.map((one) => one[name])) / seen
      expect(share > 2 / 3 && share < 4 / 3).toBe(true)
    }
  })
})
