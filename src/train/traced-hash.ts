import { hashText } from '../files/index.ts'
import { canonical } from '../graph/canonical.ts'
import { ancestors, gradient } from '../graph/index.ts'
import type { CustomLoss, Objective } from '../objectives/index.ts'
import type { Policy, RowShape } from '../policy/index.ts'
import { TapInKernel } from './inside.ts'
import { type TracedStep, traceStep } from './step.ts'

/**
 * The sha256 of a custom loss as it is traced at a fixed small shape, with its slopes by all that it reads: every constant that it was made with is
 * in it, which its text does not show.
 *
 * limits  what the loss reads (log-probabilities, values at taps) is named and not opened, so another model is not another loss; what a function
 *         decides by the shapes it sees is of the small shape alone
 */
export function tracedHash(policy: Policy, objective: Objective, loss: CustomLoss): string {
  const { loss: traced, ends } = traceSmall(policy, objective, loss)
  const read = new Map(ancestors([traced]).flatMap((value) => (ends.has(value) ? [[value, ends.get(value)!] as const] : [])))
  const smooth = [...read.keys()].filter(({ dtype }) => dtype === 'f32')
  const slopes = smooth.map((at) => gradient(traced, at))
  return hashText(canonical([traced, ...slopes], read))
}

const examples = 2
const length = 16

function traceSmall(policy: Policy, objective: Objective, loss: CustomLoss): TracedStep {
  const slots = examples * (objective.kind.sides ?? 2)
  const shape: RowShape = { rows: examples, length, wanted: 4 * slots, completions: slots }
  const asks = new Set<string>()
  for (;;) {
    try {
      return traceStep({ policy, objective, loss, shape, examples, slots, asks, longest: length })
    } catch (cause) {
      if (!(cause instanceof TapInKernel)) throw cause
      asks.add(cause.tap)
    }
  }
}
