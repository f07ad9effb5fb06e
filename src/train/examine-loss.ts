import { UserError } from '../graph/index.ts'
import type { Example } from '../objectives/index.ts'
import { planOf, type Stepping } from './backward.ts'
import { type LossReads, longestOf, TapInKernel } from './inside.ts'
import { microBatches } from './micro-batch.ts'
import { traceStep } from './step.ts'

/**
 * Traces a loss once, to know what it reads; taps inside kernels are found one by one. A step of two examples or more is taken as a
 * whole for it, since of one example alone everything is a mean.
 */
export function examineLoss(stepping: Stepping, plan: readonly (readonly Example[])[]): LossReads {
  const now = plan.find((step) => step.length > 1) ?? plan[0]!
  const roomForAll = now.reduce((sum, { tree }) => sum + longestOf([tree]), stepping.packing.tokenBudget!)
  const once = { ...stepping.packing.cost!, run: Number.MAX_SAFE_INTEGER }
  const [micro] = microBatches(stepping.objective, now, { ...stepping.packing, tokenBudget: roomForAll, whole: true, cost: once })
  const asks = new Set<string>()
  for (;;) {
    try {
      const { mean, graph } = traceStep({ ...planOf(stepping, now, micro!), asks })
      return {
        asks,
        mean: mean || now.length === 1,
        prior: 'prior' in graph.inputs,
        own: Object.keys(graph.inputs).some((name) => name.startsWith('own.') || name.startsWith('bySlot.')),
      }
    } catch (cause) {
      if (!(cause instanceof TapInKernel)) throw cause
      asks.add(cause.tap)
    }
  }
}

/**
 * Makes sure that a loss which reads the batch as a whole sees each step as a whole.
 *
 * throws  UserError when a step does not fit one pass
 */
export function checkOnePass({ objective, packing }: Stepping, plan: readonly (readonly Example[])[]) {
  plan.forEach((now, i) => {
    const passes = microBatches(objective, now, packing).length
    if (passes > 1)
      throw new UserError(
        `loss: must be a mean of numbers of single examples where a step takes several passes, got one that reads the whole batch, and step ${i + 1} takes ${passes} passes of at most ${packing.tokenBudget} positions; use mean(perExample(…)), raise train.tokenBudget, or lower train.batch`,
      )
  })
}
