import type { Tensor } from '../graph/index.ts'
import type { Example, Objective } from '../objectives/index.ts'
import { askedOf, backward, type Stepping } from '../train/backward.ts'
import { clipFrom } from '../train/clip.ts'
import { openTrainState } from '../train/state.ts'
import type { Parameters } from './step-loss.ts'
import type { AuditTarget } from './target.ts'

/** Gradients of the mean loss of any examples, as a training step of them would take it. */
export interface ExampleGradients {
  /** By the parameters' input names, the parameters being where they are. */
  of(examples: readonly Example[]): Promise<Parameters>
  /** With the mean loss. */
  withLoss(examples: readonly Example[]): Promise<{ readonly loss: number; readonly gradient: Parameters }>
  /** How much of a step's mean an example is. */
  weight(example: Example): number
  close(): Promise<void>
}

/**
 * Opens the step's own program, custom loss, edit and all, for any examples. What an objective takes over a whole step, such as
 * the baseline of kto or a count of tokens, is held as it is over `over`, so that a step may be of one example.
 */
export async function openExampleGradients(target: AuditTarget, over: readonly Example[]): Promise<ExampleGradients> {
  const { training, stepping } = target
  const asked = await askedOf(stepping, over)
  const carried = stepping.objective.kind.carry?.([], asked) ?? []
  const held: Stepping = { ...stepping, objective: holding(stepping.objective, { asked, carried, now: over }) }
  const state = await openTrainState(training.policy, training.optimizer, clipFrom(training.clip))
  const withLoss = async (examples: readonly Example[]) => {
    const { loss } = await backward(held, state, examples, 1)
    const gradient: Record<string, Tensor> = {}
    for (const [name, grad] of Object.entries(state.grads)) gradient[name.slice('grad.'.length)] = await training.policy.engine.read(grad)
    return { loss, gradient }
  }
  return {
    weight: (example) => stepping.objective.kind.weight(example),
    of: async (examples) => (await withLoss(examples)).gradient,
    withLoss,
    close: () => state.close(),
  }
}

function holding(objective: Objective, of: { asked: readonly number[]; carried: readonly number[]; now: readonly Example[] }): Objective {
  const { asks, carry, ...kind } = objective.kind
  return { ...objective, kind: { ...kind, given: (examples, size) => kind.given(examples, size, of.asked, of) } }
}
