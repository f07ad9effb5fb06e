import { afterAll, describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { logSigmoid, mean } from '../graph/index.ts'
import { type CustomLoss, dpo, type Example } from '../objectives/index.ts'
import { openPolicy, scoreTrees } from '../policy/index.ts'
import { loadPairs, pairTree } from '../preferences/index.ts'
import type { Metrics } from '../runs/index.ts'
import { sgd } from './sgd.ts'
import { train } from './train.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
const { examples: pairs } = await loadPairs('fixtures/trl-sigmoid/pairs.jsonl', checkpoint)
const reference = await openPolicy(engine, checkpoint)
const trees = pairs.slice(0, 4).map(pairTree)
const logps = await scoreTrees(reference, trees)
const beta = 0.1
const said = [
  [0.5, -0.25],
  [-1, 0.75],
  [0, 0],
  [2, 1.5],
] as const
const plain = trees.map((tree, i): Example => ({ tree, label: 1, reference: logps.slice(2 * i, 2 * i + 2) }))

async function trained(examples: readonly Example[], loss?: CustomLoss, tokenBudget = 2048): Promise<Metrics[]> {
  const steps: Metrics[] = []
  await train({
    ...{ policy: await openPolicy(engine, checkpoint), objective: dpo({ beta }), examples, optimizer: sgd({ lr: 0.5 }) },
    ...{ clip: 1, batch: 4, epochs: 3, seed: 0, tokenBudget, schedule: { name: 'constant', warmup: 0 }, together: true },
    ...(loss ? { loss } : {}),
    referenceOf: (asked) => scoreTrees(reference, asked),
    onStep: (metrics) => void steps.push(metrics),
  })
  return steps
}

describe('the prior in a loss', () => {
  const withPrior = plain.map((example, i) => ({ ...example, prior: said[i]! }))
  const tilted = plain.map((example, i) => ({ ...example, tilt: said[i]!.map((x) => x / beta) }))
  const own: CustomLoss = ({ margin, prior }) => mean(logSigmoid(margin.mul(beta).sub(prior.margin))).neg()

  it('a tilted reference begins at the mean of log(1 + exp of the prior’s own margin), with log-ratios of 0', async () => {
    const [first, , third] = await trained(tilted)
    const expected = said.reduce((sum, [a, b]) => sum + Math.log1p(Math.exp(a - b)) / 4, 0)
    expect(Math.abs(first!.loss - expected)).toBeLessThan(1e-5)
    expect(Math.abs(first!.margin!)).toBeLessThan(1e-4)
    expect(third!.loss).toBeLessThan(first!.loss)
  })

  it('and is the loss that one writes with prior.margin, step by step, in one pass or in several', async () => {
    const steps = await trained(tilted)
    for (const budget of [2048, 64]) {
      const others = await trained(withPrior, own, budget)
      for (const [i, { loss }] of others.entries()) expect(Math.abs(loss - steps[i]!.loss)).toBeLessThan(2e-5)
      expect(others[2]!.margin).toBeCloseTo(steps[2]!.margin!, 3)
    }
  })

  it('is refused before the first step where there is none', async () => {
    await expect(trained(plain, own)).rejects.toThrow(/^loss.prior: must go with a prior over goals, got examples without one/)
  })

  it('a reference that is not the model’s is still found under a tilt', async () => {
    const stale = tilted.map((example) => ({ ...example, reference: example.reference.map((logp) => logp + 3) }))
    await expect(trained(stale)).rejects.toThrow(/before the first step the mean of ½·\(log-ratio\)² must be 0/)
  })
})
