import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { tolerances } from '../../test/tolerances.ts'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { type Example, type Objective, objectiveFrom, prefixesOf } from '../objectives/index.ts'
import { openPolicy, openTrainee, scoreTrees, type Tree } from '../policy/index.ts'
import type { Metrics } from '../runs/index.ts'
import { adamw } from './adamw.ts'
import { type Training, train } from './train.ts'

// Fifty steps of every loss that TRL has, on the same rows in the same order: oracle/trl_losses.py.

interface Run {
  readonly objective: { readonly name: string; readonly [param: string]: unknown }
  readonly losses: readonly number[]
  readonly gradNorms: readonly number[]
  readonly finalLogps: { readonly chosen: readonly number[]; readonly rejected: readonly number[] }
}

const folder = 'fixtures/trl-losses'
const golden = JSON.parse(await readFile(`${folder}/golden.json`, 'utf8')) as { runs: readonly Run[] }
const rowsOf = async (file: string) =>
  (await readFile(`${folder}/${file}.jsonl`, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
const rows = (await rowsOf('pairs')) as { prompt_ids: number[]; chosen_ids: number[]; rejected_ids: number[] }[]
const labelled = (await rowsOf('labelled')) as { prompt_ids: number[]; completion_ids: number[]; label: boolean }[]
const pairs = rows.map(({ prompt_ids: prompt, chosen_ids, rejected_ids }): Tree => ({ prompt, completions: [chosen_ids, rejected_ids] }))

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
const reference = await openPolicy(engine, checkpoint)
const { policy, reset } = await openTrainee(reference, checkpoint, { seed: 0 })

/** The rows as an objective trains on them, scored by the model that it starts from. */
async function examplesFor({ kind, needs }: Objective): Promise<Example[]> {
  const unscored =
    kind.sides === 1
      ? labelled.map((row) => ({ tree: { prompt: row.prompt_ids, completions: [row.completion_ids] }, label: row.label ? 1 : 0 }))
      : pairs.map((tree) => ({ tree, label: 1 }))
  const score = async (trees: readonly Tree[]) => {
    const logps = await scoreTrees(reference, trees)
    let slot = 0
    return trees.map(({ completions }) => completions.map(() => logps[slot++]!))
  }
  const scored = await score(unscored.map(({ tree }) => tree))
  const prefixes = needs.includes('prefixes') ? await score(unscored.map(({ tree }) => prefixesOf(tree))) : undefined
  return unscored.map((one, i) => ({ ...one, reference: scored[i]!, ...(prefixes ? { prefixes: prefixes[i]! } : {}) }))
}

async function trained(objective: Objective, more: Partial<Training> = {}) {
  await reset()
  const steps: Metrics[] = []
  await train({
    ...{
      policy,
      objective,
      examples: await examplesFor(objective),
      optimizer: adamw({ lr: 5e-4 }),
      clip: 1,
      batch: 8,
      epochs: 25,
      seed: 0,
    },
    schedule: { name: 'constant', warmup: 0 },
    shuffle: false,
    referenceOf: (trees) => scoreTrees(reference, trees),
    onStep: (metrics) => void steps.push(metrics),
    ...more,
  })
  return { steps, logps: await scoreTrees(policy, pairs) }
}

/** Where rounding grows faster than the policy moves, the steps that are compared: DiscoPOP at once, SPPO around the minimum that it reaches. */
const inStep: Readonly<Record<string, number>> = { discopop: 8, sppo: 30 }

describe('fifty steps', () => {
  it.each(golden.runs.map((run) => [JSON.stringify(run.objective), run] as const))(
    '%s: losses within 1e-3 relative, final log-probabilities within 1e-2 nats',
    async (_, run) => {
      const objective = objectiveFrom(run.objective)
      // Nothing is compared after a number that is not finite.
      const broken = run.losses.findIndex((loss) => !Number.isFinite(loss))
      const compared = inStep[objective.name] ?? (broken >= 0 ? broken : run.losses.length)
      const { steps, logps } = await trained(objective, { maxSteps: compared })
      // A loss of squares falls to a thousandth: of that the rounding of log-probabilities is a larger part.
      const off = (key: 'loss' | 'gradNorm', wanted: readonly number[]) =>
        Math.max(...steps.map((step, i) => Math.abs(step[key] - wanted[i]!) / Math.max(Math.abs(wanted[i]!), 1e-2 * Math.abs(wanted[0]!))))
      expect(steps.length).toBe(compared)
      expect(off('loss', run.losses)).toBeLessThan(tolerances.trajectory.relative)
      expect(off('gradNorm', run.gradNorms)).toBeLessThan(10 * tolerances.trajectory.relative)
      if (compared < run.losses.length) return
      const wanted = run.finalLogps.chosen.flatMap((chosen, i) => [chosen, run.finalLogps.rejected[i]!])
      expect(Math.max(...logps.map((logp, i) => Math.abs(logp - wanted[i]!)))).toBeLessThan(tolerances.trajectory.absolute)
    },
  )
})

describe('whatever the micro-batches', () => {
  it.each([{ name: 'dpo', ldAlpha: 0.3, weighting: 'wpo' }, { name: 'cpo' }, { name: 'orpo' }, { name: 'bcoUnpaired' }])(
    '$name has one loss and one gradient',
    async (given) => {
      const objective = objectiveFrom(given)
      const whole = await trained(objective, { maxSteps: 3 })
      const parts = await trained(objective, { maxSteps: 3, tokenBudget: 96 })
      whole.steps.forEach((step, i) => {
        expect(parts.steps[i]!.loss).toBeCloseTo(step.loss, 5)
        expect(parts.steps[i]!.gradNorm / step.gradNorm).toBeCloseTo(1, 4)
      })
    },
  )

  it('what compares the whole batch is refused where a step does not fit one pass', async () => {
    await expect(trained(objectiveFrom({ name: 'aot' }), { tokenBudget: 64 })).rejects.toThrow(/reads the whole batch, and step 1 takes/)
  })
})

describe('goes on from a checkpoint bit for bit', () => {
  it.each([{ name: 'dpo', sync: { every: 2, alpha: 0.6 } }, { name: 'bcoUnpaired' }])(
    '$name, with what it carries from step to step',
    async (given) => {
      const objective = objectiveFrom(given)
      const straight = await trained(objective, { maxSteps: 7 })
      const checkpoint = { file: join(await mkdtemp(join(tmpdir(), 'innate-carry-')), 'state.safetensors'), everySeconds: 1e9 }
      const first = await trained(objective, { maxSteps: 3, checkpoint })
      const second = await trained(objective, { maxSteps: 7, checkpoint, resume: true })
      expect([...first.steps, ...second.steps].map(({ loss }) => loss)).toEqual(straight.steps.map(({ loss }) => loss))
      expect(second.logps).toEqual(straight.logps)
    },
  )
})

it('a reference follows the policy in a full training alone', async () => {
  const adapted = await openTrainee(reference, checkpoint, { lora: { rank: 2, alpha: 4 }, seed: 0 })
  const run = trained(objectiveFrom({ name: 'dpo', sync: { every: 2 } }), { policy: adapted.policy })
  await expect(run).rejects.toThrow('objective.sync: must go with a full training, got adapters')
})
