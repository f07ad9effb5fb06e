import type { Tensor } from '../../graph/index.ts'
import type { Example } from '../../objectives/index.ts'
import { backward } from '../../train/backward.ts'
import { checkWarmup, clipFrom, openTrainState, planSteps, rateAt, type Training } from '../../train/index.ts'
import { openStepping, takeUpdate } from '../../train/stepping.ts'

/** A training between two of its steps, or at its end. */
export interface WalkPoint {
  /** Steps that were taken. */
  readonly done: number
  readonly steps: number
  /** The examples of the step to come and its learning rate; none and 0 at the end. */
  readonly now: readonly Example[]
  readonly lr: number
  /** The mean loss of any examples and its gradient, as a step of them would take it, by the parameter's name. */
  gradientOf(examples: readonly Example[]): Promise<{ readonly loss: number; readonly gradient: Readonly<Record<string, Tensor>> }>
}

/**
 * Takes the steps of a training one by one and stops before each, and at the end, for someone who wants to know gradients there: what is asked
 * changes nothing. An example that is left out is missing from its steps, which are the same otherwise.
 *
 * throws  UserError as train
 */
export async function walkTraining(
  training: Training,
  at: (point: WalkPoint) => Promise<void>,
  { without }: { readonly without?: Example } = {},
): Promise<void> {
  const { policy, schedule, optimizer, maxSteps } = training
  const planned = planSteps(training)
  checkWarmup(schedule, planned.steps)
  const { stepping, close } = openStepping(training, planned.plan)
  const state = await openTrainState(policy, optimizer, clipFrom(training.clip))
  const plan = planned.plan.slice(0, maxSteps)
  const gradients = (step: number) => async (examples: readonly Example[]) => {
    const { loss } = await backward(stepping, state, examples, step)
    const read = Object.entries(state.grads).map(
      async ([name, grad]) => [name.slice('grad.'.length), await policy.engine.read(grad)] as const,
    )
    return { loss, gradient: Object.fromEntries(await Promise.all(read)) }
  }
  try {
    for (const [done, all] of plan.entries()) {
      const step = done + 1
      const now = without ? all.filter((example) => example !== without) : all
      const lr = Number(optimizer.params.lr) * rateAt(schedule, step, planned.steps)
      await at({ done, steps: plan.length, now, lr, gradientOf: gradients(step) })
      if (now.length < training.objective.kind.fewest) continue
      const { carried } = await backward(stepping, state, now, step)
      await state.gradNorm()
      await takeUpdate(training, stepping, state, { now, step, steps: planned.steps, carried })
    }
    await at({ done: plan.length, steps: plan.length, now: [], lr: 0, gradientOf: gradients(plan.length) })
  } finally {
    await state.close()
    await close()
  }
}
