import { sigmoid, type Value } from '../../graph/index.ts'
import type { Optimizer } from '../../train/index.ts'
import type { Parameters } from '../step-loss.ts'
import { type AuditTarget, openTarget } from '../target.ts'
import type { Property } from './property.ts'
import { smallest, withTerm } from './with-term.ts'

/**
 * The gradient does not know how far the step will go: it is the same for another learning rate, and with a cliff beyond its transition zone.
 *
 * source  audits.md section 1, property 5; V-CLIFF-1 and V-CLIFF-2 say what follows for steps that are not infinitesimal
 */
export const infinitesimal: Property = {
  name: 'infinitesimal',
  claim: 'the gradient is that of the parameters as they are: neither the learning rate nor a cliff at a distance changes it',
  fails: 'nowhere for the gradient; but steps have a size: a smooth cliff stops small ones and is crossed by large ones',

  async test(target) {
    const tensor = smallest(target)
    const began = await target.parameters()
    const { optimizer } = target.training
    const faster: Optimizer = { ...optimizer, params: { ...optimizer.params, lr: 10 * Number(optimizer.params.lr ?? 1) } }
    // One unit beyond the largest entry, 60 widths of its zone away.
    const beyond = 1 + Math.max(...began[tensor.input]!.data)
    const others = [
      openTarget({ ...target.training, optimizer: faster }, { steps: 1 }),
      withTerm(target, tensor, (theta: Value) => sigmoid(theta.sub(beyond).mul(60)).mul(5)),
    ]
    try {
      const own = await gradientOf(target)
      const found: number[] = []
      for (const other of others) found.push(difference(own, await gradientOf(other)))
      const statistic = Math.max(...found)
      return {
        holds: statistic < 1e-5,
        statistic,
        exceptions: [],
        why: `the gradient differs by ${found[0]!.toExponential(1)} of itself at ten times the rate, and by ${found[1]!.toExponential(1)} with a cliff ahead of ${tensor.name}`,
      }
    } finally {
      for (const other of others) await other.close()
    }
  },
}

async function gradientOf(target: AuditTarget): Promise<Parameters> {
  const loss = await target.lossOf({ now: target.plan[0]!, step: 1 }, 'f32')
  const { gradient } = await loss.gradient()
  await loss.close()
  return gradient
}

function difference(a: Parameters, b: Parameters): number {
  let [worst, largest] = [0, 0]
  for (const [name, { data }] of Object.entries(a))
    for (let i = 0; i < data.length; i++) {
      worst = Math.max(worst, Math.abs(data[i]! - b[name]!.data[i]!))
      largest = Math.max(largest, Math.abs(data[i]!))
    }
  return largest > 0 ? worst / largest : worst
}
