import { sum, type Value } from '../../graph/index.ts'
import type { CustomLoss } from '../../objectives/index.ts'
import type { Parameters } from '../step-loss.ts'
import { type AuditTarget, openTarget, type TrainedTensor } from '../target.ts'
import { walk } from '../walk.ts'

/** The smallest trained tensor, to which a term is added. */
export function smallest({ tensors }: AuditTarget): TrainedTensor {
  return tensors.reduce((a, b) => (b.size < a.size ? b : a))
}

/** The same training with a term added to its loss, of one tensor; opened anew, so close it after. */
export function withTerm(target: AuditTarget, tensor: TrainedTensor, term: (theta: Value) => Value): AuditTarget {
  const { loss: own } = target.training
  const loss: CustomLoss = (terms) => {
    const made = own?.(terms) ?? terms.objective
    const theta = terms.params[tensor.name]!
    const whole = 'loss' in made ? made.loss : made
    const added = whole.add(sum(term(theta)))
    return 'loss' in made ? { ...made, loss: added } : added
  }
  return openTarget({ ...target.training, loss }, { steps: 1 })
}

/** Where the first step of a training leads; the parameters are put back. */
export async function afterOneStep(target: AuditTarget): Promise<Parameters> {
  const began = await target.parameters()
  const first = { ...target, plan: target.plan.slice(0, 1) }
  try {
    await walk(first, () => {})
    return await target.parameters()
  } finally {
    await target.restore(began)
  }
}

/** The largest difference of two sets of parameters, over the largest move from where they began. */
export function apart(a: Parameters, b: Parameters, began: Parameters): number {
  let [worst, moved] = [0, 0]
  for (const [name, { data }] of Object.entries(a))
    for (let i = 0; i < data.length; i++) {
      worst = Math.max(worst, Math.abs(data[i]! - b[name]!.data[i]!))
      moved = Math.max(moved, Math.abs(data[i]! - began[name]!.data[i]!))
    }
  return moved > 0 ? worst / moved : worst
}
