import { existsSync } from 'node:fs'
import { UserError } from '../graph/index.ts'
import type { CustomLoss, Example, Objective } from '../objectives/index.ts'
import type { Policy, Tree } from '../policy/index.ts'
import type { Metrics } from '../runs/index.ts'
import { backward, type Measured } from './backward.ts'
import { type Clip, clipFrom } from './clip.ts'
import { type LoadExamples, openSteps } from './drawn.ts'
import { findNotFinite } from './not-finite.ts'
import type { Optimizer } from './optimizer.ts'
import { type Planned, planSteps } from './plan.ts'
import { checkWarmup, type Schedule } from './schedule.ts'
import { openTrainState, type TrainState } from './state.ts'
import { openStepping, takeUpdate } from './stepping.ts'

/** How steps are taken: what a recipe says under `train`. */
export interface Course {
  readonly optimizer: Optimizer
  readonly schedule: Schedule
  /** How the gradient is kept small; a plain number is the largest norm, to which a longer one is scaled down. */
  readonly clip: number | Clip
  /** Examples a step. */
  readonly batch: number
  readonly epochs: number
  readonly seed: number
  /** Most input positions at a time; a step that needs more is accumulated from several. Default 1024. */
  readonly tokenBudget?: number
}

/** A policy, what it is trained on, and how. */
export interface Training extends Course, Planned {
  readonly policy: Policy
  readonly objective: Objective
  readonly loss?: CustomLoss
  /** Whose scores of every next token are learned, where the objective asks for it; in the same engine, with the same vocabulary. */
  readonly teacher?: Policy
  /** The round that metrics are written under; 0, the default, is a plain training run. */
  readonly round?: number
  /** Called for the examples of each step, where they are too many to be held at once. */
  readonly load?: LoadExamples
  /** Stops after this many steps, as if it had been killed there. */
  readonly maxSteps?: number
  /** The reference's log-probabilities of further completions, which some objectives ask for (kto for its baseline). */
  readonly referenceOf: (trees: readonly Tree[]) => Promise<readonly number[]>
  /** Where parameters and optimizer state are kept, and how often, so that a run can go on bit for bit. */
  readonly checkpoint?: { readonly file: string; readonly everySeconds: number }
  /** Go on from the checkpoint, if it is there. */
  readonly resume?: boolean
  /** Measures the policy after a step, for its row of the metrics; what it takes is not counted in tokens a second. */
  readonly measure?: (at: { step: number; steps: number }) => Promise<Readonly<Record<string, number>>>
  readonly onStart?: (at: { step: number; steps: number }) => void | Promise<void>
  readonly onStep?: (metrics: Metrics, at: { steps: number }) => void | Promise<void>
  /** Sees steps as they are taken, every so many, just before and just after the update. */
  readonly around?: Around
  readonly signal?: AbortSignal
}

/** Who looks at what a step works with, which is the engine's own memory: it is read, never written. */
export interface Around {
  readonly every: number
  before(at: StepAt): Promise<void>
  after(at: StepAt & { readonly lr: number }): Promise<void>
}

/** A step whose gradient is taken. */
export interface StepAt {
  readonly step: number
  readonly now: readonly Example[]
  readonly loss: number
  readonly state: TrainState
}

export interface Trained {
  readonly steps: number
  readonly done: number
}

/**
 * Trains a policy in place, from step to step: rows → loss and gradient → norm → update. The policy must start as the reference.
 *
 * throws  UserError before the first step when examples, batch and objective do not go together; when the loss before the first update is
 *         not its closed form at policy = reference; and when a number is not finite (naming the first tap that had it), with the parameters
 *         of the last good step kept
 */
export async function train(training: Training): Promise<Trained> {
  const { policy, objective, optimizer, checkpoint, maxSteps, signal } = training
  const { plan, steps } = planSteps(training)
  checkWarmup(training.schedule, steps)
  const { stepping, close } = openStepping(training, plan)
  const { following } = stepping
  const course = openSteps(training, plan, stepping)
  await following?.ready
  const state = await openTrainState(policy, optimizer, clipFrom(training.clip))
  const save = async (step: number) => state.save(checkpoint!.file, step, await following?.saved())
  try {
    let step = 0
    if (training.resume && checkpoint && existsSync(checkpoint.file)) {
      const restored = await state.restore(checkpoint.file)
      step = restored.step
      await following?.restore(restored.tensors)
    }
    await training.onStart?.({ step, steps })
    let savedAt = Date.now()
    while (step < Math.min(course.count, maxSteps ?? course.count)) {
      const now = await course.at(step).catch(async (cause) => {
        if (checkpoint && step > 0) await save(step)
        throw cause
      })
      const started = performance.now()
      step++
      const measured = await backward(stepping, state, now, step)
      if (step === 1 && !policy.edits) checkStart(objective, now, measured)
      const gradNorm = await state.gradNorm()
      if (!Number.isFinite(measured.loss + gradNorm)) {
        if (checkpoint) await save(step - 1)
        const kept = checkpoint ? `the parameters of step ${step - 1} are kept in ${checkpoint.file}` : 'nothing was changed by this step'
        throw await findNotFinite(stepping, { now, step, asked: [], carried: measured.carried }, kept)
      }
      const seen = training.around && step % training.around.every === 0 ? training.around : undefined
      const at = { step, now, loss: measured.loss, state }
      await seen?.before(at)
      const lr = await takeUpdate(training, stepping, state, { now, step, steps, carried: measured.carried })
      await seen?.after({ ...at, lr })
      const tokensPerSecond = (1000 * measured.tokens) / (performance.now() - started)
      const more = await training.measure?.({ step, steps })
      await training.onStep?.(
        { round: training.round ?? 0, step, ...measured.metrics, loss: measured.loss, gradNorm, lr, tokensPerSecond, ...more },
        { steps },
      )
      const stopping = signal?.aborted || step === course.count || step === maxSteps
      if (checkpoint && (stopping || Date.now() - savedAt > checkpoint.everySeconds * 1000)) {
        await save(step)
        savedAt = Date.now()
      }
      if (signal?.aborted) break
    }
    return { steps, done: step }
  } finally {
    await state.close()
    await policy.rest()
    await close()
  }
}

/**
 * Before the first update policy and reference are one model, unless one is edited, so the objective must have the value it has there. A
 * tilted reference is another one, but the log-ratios without the tilt must be 0.
 */
function checkStart(objective: Objective, now: readonly Example[], measured: Measured) {
  const tilted = now.some(({ tilt }) => tilt) && measured.metrics.kl !== undefined
  const [expected, got] = tilted ? [0, measured.metrics.kl!] : [objective.atStart(now), measured.objective]
  if (expected === undefined || Math.abs(got - expected) <= 1e-3 * (1 + Math.abs(expected))) return
  throw new UserError(
    `train: before the first step ${tilted ? 'the mean of ½·(log-ratio)²' : objective.name} must be ${expected.toPrecision(6)}, its value at policy = reference, got ${got.toPrecision(6)}; the reference's log-probabilities are not of this model (is a cache stale, or does the policy not start as the reference?)`,
  )
}
