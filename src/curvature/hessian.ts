import { hessianVectorProduct } from '../graph/index.ts'
import type { Operator } from './operator.ts'
import type { Risk } from './risk.ts'
import { riskOperator } from './risk-operator.ts'

/**
 * The Hessian of a risk, by exact products.
 *
 * units   of the loss, per unit of the parameters squared
 * throws  UserError at the first product, when two passes differ, and for a gradient mark that was not allowed
 * source  Pearlmutter 1994, Neural Computation 6:147
 */
export function hessian(risk: Risk): Operator {
  return riskOperator(risk, { name: 'hessian', of: ({ total, wrt }, v) => ({ outputs: hessianVectorProduct(total, wrt, v) }) })
}
