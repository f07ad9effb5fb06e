import { readFile } from 'node:fs/promises'
import { afterAll, expect, it } from 'vitest'
import { tolerances } from '../../test/tolerances.ts'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { type Example, objectiveFrom } from '../objectives/index.ts'
import { openPolicy, openTrainee, scoreTokens, scoreTrees } from '../policy/index.ts'
import { loadRollouts } from '../preferences/index.ts'
import type { Metrics } from '../runs/index.ts'
import { adamw } from './adamw.ts'
import { train } from './train.ts'

// Twenty steps of TRL's policy-gradient trainers on the same rollouts: oracle/trl_rollouts.py.

interface Run {
  readonly objective: { readonly name: string; readonly [param: string]: unknown }
  readonly losses: readonly number[]
  readonly gradNorms: readonly number[]
  readonly finalLogps: readonly number[]
}

const folder = 'fixtures/trl-rollouts'
const golden = JSON.parse(await readFile(`${folder}/golden.json`, 'utf8')) as { runs: readonly Run[]; group: number; batch: number }

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
const reference = await openPolicy(engine, checkpoint)
const { policy, reset } = await openTrainee(reference, checkpoint, { seed: 0 })
const groups = await loadRollouts(`${folder}/rollouts.jsonl`, { group: golden.group, ...checkpoint.config })
const trees = groups.map(({ tree }) => tree)

it('the log-probabilities of tokens add up to those of completions', async () => {
  const [tokens, whole] = [await scoreTokens(reference, trees), await scoreTrees(reference, trees)]
  tokens.flat().forEach((row, i) => {
    expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(whole[i]!, 4)
  })
})

/**
 * With a pull to the reference, which is where it begins, tokens that are clipped have a slope of rounding alone, and AdamW makes steps of it: the
 * two part from the eighth step on.
 */
const compared = (objective: Run['objective']) => (objective.name === 'grpo' && objective.beta ? 7 : Number.POSITIVE_INFINITY)

it.each(golden.runs.map((run) => [JSON.stringify(run.objective), run] as const))('%s', async (_, run) => {
  const objective = objectiveFrom(run.objective)
  const [whole, tokens] = [await scoreTrees(reference, trees), await scoreTokens(reference, trees)]
  let slot = 0
  const examples = groups.map(
    (group, i): Example => ({
      ...{ ...group, label: 1, reference: group.rewards.map(() => whole[slot++]!) },
      ...(objective.needs.includes('referenceTokens') ? { referenceTokens: tokens[i]! } : {}),
    }),
  )
  await reset()
  const steps: Metrics[] = []
  await train({
    ...{ policy, objective, examples, optimizer: adamw({ lr: 5e-4 }), clip: 1, batch: golden.batch / golden.group, epochs: 1, seed: 0 },
    ...{ schedule: { name: 'constant', warmup: 0 }, shuffle: false, referenceOf: (asked) => scoreTrees(reference, asked) },
    onStep: (metrics) => void steps.push(metrics),
  })
  expect(steps).toHaveLength(run.losses.length)
  const size = run.losses.reduce((sum, loss) => sum + Math.abs(loss), 0) / run.losses.length
  for (const [i, { loss, gradNorm }] of steps.slice(0, compared(run.objective)).entries()) {
    expect(Math.abs(loss - run.losses[i]!)).toBeLessThan(tolerances.trajectory.relative * size)
    expect(Math.abs(gradNorm / run.gradNorms[i]! - 1)).toBeLessThan(tolerances.trajectory.relative)
  }
  if (compared(run.objective) < steps.length) return
  for (const [i, logp] of (await scoreTrees(policy, trees)).entries())
    expect(Math.abs(logp - run.finalLogps[i]!)).toBeLessThan(tolerances.trajectory.absolute)
})
