import { UserError } from '../graph/index.ts'
import { microInputs, planOf, type Step, type Stepping } from './backward.ts'
import { microBatches } from './micro-batch.ts'
import { traceFinite, traceStep } from './step.ts'

/** Finds the first tap of a step whose value is not finite; `kept` says where the last good parameters are. */
export async function findNotFinite(stepping: Stepping, at: Step, kept: string): Promise<UserError> {
  const { policy, packing } = stepping
  for (const micro of microBatches(stepping.objective, at.now, packing)) {
    const program = await policy.engine.compile(traceFinite(traceStep(planOf(stepping, at.now, micro))))
    const found = await program.run(await microInputs(stepping, at, micro, program))
    await program.close()
    const [first] = Object.entries(found).find(([, value]) => !Number.isFinite(value.data[0]!)) ?? []
    if (first)
      return new UserError(
        `train: every number must be finite, got NaN or infinity in step ${at.step}, first in ${first}; ${kept}; lower the learning rate or mend the loss`,
      )
  }
  return new UserError(
    `train: every number must be finite, got NaN or infinity in the gradient of step ${at.step}, with every tap finite; ${kept}; is a square root or logarithm taken at 0?`,
  )
}
