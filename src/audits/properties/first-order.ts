import { sum, table, type Value } from '../../graph/index.ts'
import type { Property } from './property.ts'
import { afterOneStep, apart, smallest, withTerm } from './with-term.ts'

/**
 * A term that is zero where the parameters are, and so is its gradient, changes no step, whatever its curvature.
 *
 * source  audits.md section 1, property 4
 */
export const firstOrder: Property = {
  name: 'first-order',
  claim: 'a step sees the gradient alone: curvature that is added where the parameters stand changes nothing',
  fails: 'optimizers that look ahead or take curvature: SAM, Newton’s method and its kin, MAML',

  async test(target) {
    const tensor = smallest(target)
    const began = await target.parameters()
    const here = table(began[tensor.input]!)
    const bent = (theta: Value) =>
      sum(theta.sub(here))
        .mul(sum(theta.sub(here)))
        .mul(500)
    const [plain, curved] = [withTerm(target, tensor, (theta) => theta.sub(here).mul(0)), withTerm(target, tensor, bent)]
    try {
      const [one, two] = [await afterOneStep(plain), await afterOneStep(curved)]
      const statistic = apart(one, two, began)
      return {
        holds: statistic < 1e-3,
        statistic,
        exceptions: [],
        why: `with 500·(Σ(θ − θ₀))² of ${tensor.name} added, the first step differs by ${statistic.toExponential(1)} of itself`,
      }
    } finally {
      await plain.close()
      await curved.close()
    }
  },
}
