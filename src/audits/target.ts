import { sizeOf, type Tensor, UserError } from '../graph/index.ts'
import type { Example } from '../objectives/index.ts'
import { seedFor } from '../random/index.ts'
import type { Stepping } from '../train/backward.ts'
import { planSteps } from '../train/index.ts'
import { trainableInputs } from '../train/step.ts'
import { openStepping } from '../train/stepping.ts'
import type { Training } from '../train/train.ts'
import { checkDeclarations, type Declaration } from './declaration.ts'
import { lossByDefinition, lossByEngine, type Parameters, type StepLoss, type Taken } from './step-loss.ts'
import type { DataStream } from './stream.ts'

/** A tensor that is trained. */
export interface TrainedTensor {
  /** As it is printed and declared: `blocks.1.mlp.up`, `lora.blocks.0.attn.q.a`. */
  readonly name: string
  /** As graphs and the engine know it: `params.blocks.1.mlp.up`. */
  readonly input: string
  readonly size: number
}

/** A training as audits see it: its steps, and not only its loss. */
export interface AuditTarget {
  readonly training: Training
  readonly stepping: Stepping
  readonly tensors: readonly TrainedTensor[]
  /** The examples of the first steps, which are audited, in the order that they are taken. */
  readonly plan: readonly (readonly Example[])[]
  /** How many steps the training has in all, which schedules count. */
  readonly steps: number
  readonly data: DataStream
  readonly declarations: readonly Declaration[]
  /** In what losses are differenced: by the ops' definitions in f64 below a million parameters, else by the engine in f32. */
  readonly precision: 'f64' | 'f32'
  /** The loss of examples as a function of the parameters. Close it after. */
  lossOf(taken: Taken, precision?: 'f64' | 'f32'): Promise<StepLoss>
  /** The trained parameters as they are now. */
  parameters(): Promise<Parameters>
  /** Puts parameters back, or others in their place. */
  restore(parameters: Parameters): Promise<void>
  /** Other batches of the same examples by the same sampler; the same ones where the order is fixed. */
  redraw(seed: number): readonly (readonly Example[])[]
  close(): Promise<void>
}

/** How a training is opened to be audited. */
export interface TargetOptions {
  /** How many of the first steps. */
  readonly steps: number
  readonly declarations?: readonly Declaration[]
  readonly data?: DataStream
  /** Below so many parameters losses are differenced in f64. Default 1,000,000. */
  readonly exactBelow?: number
}

/**
 * Opens a training to be audited.
 *
 * throws  UserError where there are no examples, where a declaration names no tensor, and as openStepping
 */
export function openTarget(training: Training, options: TargetOptions): AuditTarget {
  const { declarations = [], data = { kind: 'fixed' }, exactBelow = 1e6 } = options
  const { policy } = training
  if (training.examples.length === 0)
    throw new UserError('audit: must have examples to take steps on, got none; give data that some step can be taken on')
  const { plan, steps } = planSteps(training)
  const first = plan.slice(0, options.steps)
  const { stepping, close } = openStepping(training, first)
  const tensors = Object.entries(trainableInputs(policy, policy.given)).map(([input, { shape }]) => ({
    ...{ name: input.replace(/^params\./, ''), input, size: sizeOf(shape) },
  }))
  checkDeclarations(
    declarations,
    tensors.map(({ name }) => name),
  )
  const size = Object.values(policy.given).reduce((sum, { shape }) => sum + sizeOf(shape), 0)
  const precision = size < exactBelow ? 'f64' : 'f32'
  return {
    ...{ training, stepping, tensors, plan: first, steps, data, declarations, precision },
    lossOf: (taken, how = precision) => (how === 'f64' ? lossByDefinition(stepping, taken) : lossByEngine(stepping, taken)),
    async parameters() {
      const read = async ({ input }: TrainedTensor): Promise<[string, Tensor]> => [input, await policy.engine.read(policy.given[input]!)]
      return Object.fromEntries(await Promise.all(tensors.map(read)))
    },
    async restore(parameters) {
      for (const [input, was] of Object.entries(parameters)) await policy.engine.write(policy.given[input]!, was)
    },
    redraw: (seed) => planSteps({ ...training, seed: seedFor(seed, 'other batches') }).plan.slice(0, options.steps),
    async close() {
      await policy.rest()
      await close()
    },
  }
}
