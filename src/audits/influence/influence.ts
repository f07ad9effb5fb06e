import { type ByParameter, kroneckerInverse } from '../../curvature/index.ts'
import type { Example } from '../../objectives/index.ts'
import type { Training } from '../../train/index.ts'
import { dotOf } from './dot.ts'
import { walkTraining } from './walk-training.ts'

/** What of a training is read, and on what its influence is measured. */
export interface InfluenceOptions {
  /** The examples whose mean loss is asked about. */
  readonly test: readonly Example[]
  /** How many points of the training gradients are taken at, spread evenly. Default 5. */
  readonly checkpoints?: number
  /** Of the Kronecker-factored estimate. Default: 1 / the sum of the learning rates, what stopping there amounts to on a quadratic loss. */
  readonly damping?: number
  readonly signal?: AbortSignal
  readonly onPoint?: () => void
}

/**
 * What each example is estimated to have done to the test loss. Above 0: without it the test loss would be higher.
 *
 * units   nats of the test loss
 */
export interface ExampleInfluence {
  /** Its place among the training's examples. */
  readonly index: number
  /** Summed over the training: learning rate · gradient of the example · gradient of the test loss. */
  readonly tracIn: number
  /** At the end: gradient of the example · (F + damping)⁻¹ · gradient of the test loss, F factored. */
  readonly kronecker: number
}

/**
 * Takes a training and estimates for each of its examples by how much the test loss would rise without it. The policy ends trained.
 *
 * limits  gradients of all examples are held at once; of the optimizer only the learning rate is known to it, so that under Adam the scale is off
 * throws  UserError as train
 * source  Pruthi et al. 2020, arXiv:2002.08484, TracInCP; Grosse et al. 2023, arXiv:2308.03296
 */
export async function influence(
  training: Training,
  { test, checkpoints = 5, damping, signal, onPoint }: InfluenceOptions,
): Promise<readonly ExampleInfluence[]> {
  const { examples } = training
  const tracIn = examples.map(() => 0)
  let rates = 0
  let last: { readonly gradients: readonly ByParameter[]; readonly ofTest: ByParameter } | undefined
  await walkTraining(training, async ({ done, steps, lr, gradientOf }) => {
    signal?.throwIfAborted()
    rates += lr
    const every = Math.max(1, Math.floor(steps / checkpoints))
    const end = done === steps
    if (done % every !== 0 && !end) return
    const { gradient: ofTest } = await gradientOf(test)
    const gradients: ByParameter[] = []
    for (const [i, example] of examples.entries()) {
      const { gradient } = await gradientOf([example])
      tracIn[i]! += (lr * Math.min(every, steps - done) * dotOf(gradient, ofTest)) / examples.length
      if (end) gradients.push(gradient)
    }
    if (end) last = { gradients, ofTest }
    onPoint?.()
  })
  const { gradients, ofTest } = last!
  const solved = kroneckerInverse(gradients, damping ?? 1 / rates)(ofTest)
  return examples.map((_, index) => ({
    index,
    tracIn: tracIn[index]!,
    kronecker: dotOf(gradients[index]!, solved) / examples.length,
  }))
}
