import type { Tensor } from '../graph/index.ts'
import { UserError } from '../graph/index.ts'
import type { Example } from '../objectives/index.ts'
import { backward, type Step } from '../train/backward.ts'
import { type Clip, clipFactors, clipFrom } from '../train/clip.ts'
import { findNotFinite } from '../train/not-finite.ts'
import { openTrainState } from '../train/state.ts'
import { takeUpdate } from '../train/stepping.ts'
import { sumOfSquares } from './directions.ts'
import type { Parameters } from './step-loss.ts'
import type { AuditTarget } from './target.ts'

/** One step as it was taken, by the names of the parameters' inputs. */
export interface StepSeen {
  /** Counting from 1. */
  readonly step: number
  readonly now: readonly Example[]
  readonly loss: number
  readonly lr: number
  readonly clip: Clip
  /** The gradient before it is clipped. */
  readonly gradient: Parameters
  /** What each gradient was multiplied by; 1 for a clip by value, which works on single entries. */
  readonly factors: ReadonlyMap<string, number>
  readonly before: Parameters
  /** What the optimizer kept before the step, by its own names; of the first steps of a fresh one, left out. */
  readonly moments?: Readonly<Record<string, Parameters>>
  readonly after: Parameters
}

/**
 * Takes the first steps of a target's training with its real optimizer, clip and order, and shows each; the parameters stay where they come
 * to.
 *
 * throws  UserError at the first number that is not finite, with the first tap that had it
 */
export async function walk(
  target: AuditTarget,
  see: (step: StepSeen) => void | Promise<void>,
  { signal, onStep }: { readonly signal?: AbortSignal; readonly onStep?: () => void } = {},
): Promise<void> {
  const { training, stepping, plan, steps } = target
  const clip = clipFrom(training.clip)
  const { engine } = training.policy
  const state = await openTrainState(training.policy, training.optimizer, clip)
  try {
    let before = await target.parameters()
    for (const [i, now] of plan.entries()) {
      signal?.throwIfAborted()
      const step = i + 1
      const { loss, carried } = await backward(stepping, state, now, step)
      const gradient: Record<string, Tensor> = {}
      for (const [name, resident] of Object.entries(state.grads)) gradient[name.slice(5)] = await engine.read(resident)
      const squares = squaresOf(gradient)
      if (![loss, ...squares.values()].every(Number.isFinite)) throw await broken(target, { now, step, asked: [], carried })
      const lr = await takeUpdate(training, stepping, state, { now, step, steps, carried })
      const after = await target.parameters()
      const broke = Object.entries(after).find(([, { data }]) => data.some((x) => !Number.isFinite(x)))
      if (broke)
        throw new UserError(
          `audit: every number must be finite, got NaN or infinity in ${broke[0].replace(/^params\./, '')} after the update of step ${step}; lower the learning rate, or mend the optimizer`,
        )
      await see({ step, now, loss, lr, clip, gradient, factors: clipFactors(clip, squares), before, after })
      before = after
      onStep?.()
    }
  } finally {
    await state.close()
  }
}

function squaresOf(gradient: Parameters): Map<string, number> {
  return new Map(Object.entries(gradient).map(([name, { data }]) => [name, sumOfSquares(data)]))
}

async function broken(target: AuditTarget, at: Step): Promise<UserError> {
  const { message } = await findNotFinite(target.stepping, at, 'nothing is kept')
  return new UserError(message.replace(/^train:/, 'audit:'))
}
