import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Example, rloo } from '../objectives/index.ts'
import { type Policy, scoreTrees } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { adamw, scheduleFrom, train } from '../train/index.ts'
import { checkLambda } from './drest-discount.ts'
import { optionChances } from './llm-measures.ts'
import type { TaskTree } from './llm-tasks.ts'
import { metaEpisode } from './meta-episode.ts'

/** How a model is trained on tasks. */
export interface LlmTraining {
  readonly reward: 'drest' | 'default'
  readonly lambda: number
  readonly steps: number
  readonly seed: number
  readonly lr: number
  /** Tasks a step, and answers of each: a meta-episode is all answers of one task. */
  readonly tasks: number
  readonly answers: number
  /** Answers are drawn, or the expectation over all meta-episodes is taken, since a task lists its answers; drawn when left out. */
  readonly form?: 'drawn' | 'exact'
  readonly signal?: AbortSignal
  readonly onStep?: () => void
}

/** Steps between two looks at what the policy answers. */
const rollouts = { drawn: 4, exact: 1 }

/** One for all calls, so that a step is compiled once. */
const objective = rloo()

/**
 * Trains a policy in place by REINFORCE with the leave-one-out baseline on its own answers, drawn from its probabilities of the options.
 *
 * The gradient is that of the probabilities among the options: advantages of a group sum to 0, so that what all options have in common cancels.
 *
 * throws  UserError when λ is not in (0, 1], and as train
 */
export async function trainLlm(policy: Policy, tasks: readonly TaskTree[], training: LlmTraining): Promise<void> {
  checkLambda(training.lambda)
  const { steps, seed, form = 'drawn' } = training
  const rollout = rollouts[form]
  const folder = await mkdtemp(join(tmpdir(), 'innate-llm-'))
  const source = random(seed, `shutdown/llm/${training.reward}`)
  const reference = new Map<TaskTree, readonly number[]>()
  const groups: Example[][] = []
  try {
    for (let step = 0; step < steps; step += rollout) {
      training.signal?.throwIfAborted()
      const count = Math.min(rollout, steps - step) * training.tasks
      const drawn = Array.from({ length: count }, (_, i) => tasks[Math.floor(source.uniform(step, i) * tasks.length)]!)
      const scored = await optionLogps(policy, drawn)
      groups.push(
        drawn.map((task, i): Example => {
          if (step === 0) reference.set(task, scored[i]!)
          const first = reference.get(task) ?? scored[i]!
          const { chosen, rewards } = metaEpisode(task, optionChances(scored[i]!), { ...training, form }, (k) =>
            source.uniform(step, i, k, 1),
          )
          return {
            tree: { prompt: task.tree.prompt, completions: chosen.map((k) => task.tree.completions[k]!) },
            reference: chosen.map((k) => first[k]!),
            label: 1,
            rewards,
          }
        }),
      )
      const [examples = [], ...later] = groups
      await train({
        policy,
        objective,
        examples,
        later,
        batch: training.tasks,
        epochs: 1,
        shuffle: false,
        seed,
        optimizer: adamw({ lr: training.lr }),
        schedule: scheduleFrom({ name: 'constant' }),
        clip: 1,
        referenceOf: async () => [],
        checkpoint: { file: join(folder, 'state.safetensors'), everySeconds: 1e6 },
        resume: true,
        onStep: () => training.onStep?.(),
        ...(training.signal ? { signal: training.signal } : {}),
      })
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The log-probabilities of the options of each task. units nats */
export async function optionLogps(policy: Policy, tasks: readonly TaskTree[], onBatch?: () => void): Promise<number[][]> {
  const flat = await scoreTrees(policy, tasks.map(({ tree }) => tree), {}, onBatch) // biome-ignore format: one line
  let at = 0
  return tasks.map(({ options }) => flat.slice(at, (at += options.length)))
}
