import { correlation, ranks } from '../../accept/index.ts'
import type { Example } from '../../objectives/index.ts'
import { random } from '../../random/index.ts'
import type { Estimate } from '../../runs/index.ts'
import type { Training } from '../../train/index.ts'
import type { ExampleInfluence } from './influence.ts'
import { walkTraining } from './walk-training.ts'

/** By how much the test loss rose when the training was taken again without an example. */
export interface LeftOut {
  readonly index: number
  /** nats of the test loss */
  readonly rise: number
}

/**
 * Takes a training again without each of some examples, and once with all: what influence is an estimate of. `fresh` gives the training with
 * the policy where it starts.
 *
 * units   nats of the test loss
 */
export async function leaveOut(
  fresh: () => Promise<Training>,
  test: readonly Example[],
  indices: readonly number[],
  onTrained?: () => void,
): Promise<readonly LeftOut[]> {
  const testLoss = async (index?: number) => {
    const training = await fresh()
    let loss = Number.NaN
    const without = index === undefined ? {} : { without: training.examples[index]! }
    await walkTraining(
      training,
      async ({ done, steps, gradientOf }) => {
        if (done === steps) loss = (await gradientOf(test)).loss
      },
      without,
    )
    onTrained?.()
    return loss
  }
  const whole = await testLoss()
  const found: LeftOut[] = []
  for (const index of indices) found.push({ index, rise: (await testLoss(index)) - whole })
  return found
}

/** How far estimates go together with what leaving out did. */
export interface InfluenceCheck {
  readonly tracIn: Estimate
  readonly kronecker: Estimate
  /** Controls: the same estimates given to other examples, which must tell nothing. */
  readonly shuffled: { readonly tracIn: Estimate; readonly kronecker: Estimate }
}

/** Rank correlations of the estimates with the rises, with their intervals over examples, beside those of shuffled estimates. */
export function checkInfluence(estimates: readonly ExampleInfluence[], leftOut: readonly LeftOut[], seed: number): InfluenceCheck {
  const rises = ranks(leftOut.map(({ rise }) => [rise]))
  const of = (name: 'tracIn' | 'kronecker', order = leftOut) =>
    correlation(name, ranks(order.map(({ index }) => [estimates[index]![name]])), rises)
  const shuffled = random(seed, 'influence/shuffled').shuffled(leftOut)
  return {
    tracIn: of('tracIn'),
    kronecker: of('kronecker'),
    shuffled: { tracIn: of('tracIn', shuffled), kronecker: of('kronecker', shuffled) },
  }
}
