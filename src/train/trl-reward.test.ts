import { readFile } from 'node:fs/promises'
import { afterAll, expect, it } from 'vitest'
import { tolerances } from '../../test/tolerances.ts'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { type Example, objectiveFrom } from '../objectives/index.ts'
import { openPolicy, openTrainee } from '../policy/index.ts'
import { loadPairs } from '../preferences/index.ts'
import { endFeatures, scoresOf, upToPadding } from '../rewards/index.ts'
import type { Metrics } from '../runs/index.ts'
import { adamw } from './adamw.ts'
import { train } from './train.ts'

// Twenty steps of TRL's RewardTrainer on the same pairs: oracle/trl_reward.py.

interface Run {
  readonly objective: { readonly name: string; readonly [param: string]: unknown }
  readonly losses: readonly number[]
  readonly gradNorms: readonly number[]
  readonly finalScores: readonly (readonly [number, number])[]
}

const folder = 'fixtures/trl-reward'
const golden = JSON.parse(await readFile(`${folder}/golden.json`, 'utf8')) as { runs: readonly Run[]; batch: number }

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const checkpoint = await loadCheckpoint(folder, { as: 'reward' })
const { policy, reset } = await openTrainee(await openPolicy(engine, checkpoint), checkpoint, { seed: 0 })
const { examples: pairs } = await loadPairs(`${folder}/pairs.jsonl`, checkpoint)
const examples = pairs.map(({ prompt, chosen, rejected }): Example => {
  const completions = [chosen, rejected].map((ids) => upToPadding(ids, checkpoint.config.reward!.padId))
  return { tree: { prompt, completions }, label: 1, reference: [] }
})

it.each(golden.runs.map((run) => [JSON.stringify(run.objective), run] as const))('%s', async (_, run) => {
  await reset()
  const steps: Metrics[] = []
  await train({
    ...{ policy, objective: objectiveFrom(run.objective), examples, optimizer: adamw({ lr: 5e-4 }), clip: 1, batch: golden.batch },
    ...{ epochs: 1, seed: 0, schedule: { name: 'constant', warmup: 0 }, shuffle: false, referenceOf: async () => [] },
    onStep: (metrics) => void steps.push(metrics),
  })
  expect(steps).toHaveLength(run.losses.length)
  for (const [i, { loss, gradNorm }] of steps.entries()) {
    expect(Math.abs(loss / run.losses[i]! - 1)).toBeLessThan(tolerances.trajectory.relative)
    expect(Math.abs(gradNorm / run.gradNorms[i]! - 1)).toBeLessThan(tolerances.trajectory.relative)
  }
  const texts = examples.flatMap(({ tree: { prompt, completions } }) => completions.map((ids) => [...prompt, ...ids]))
  const head = await engine.read(policy.params.score!)
  for (const [i, score] of scoresOf(await endFeatures(policy, texts), head.data).entries())
    expect(Math.abs(score - run.finalScores.flat()[i]!)).toBeLessThan(tolerances.trajectory.absolute)
})
