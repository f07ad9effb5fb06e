import { gradient } from '../graph/index.ts'
import { overRisk } from './over-risk.ts'
import type { ByParameter, Risk, RiskValue } from './risk.ts'

/**
 * The gradient of a risk with respect to its parameters.
 *
 * shape   each shaped like its parameter
 * units   of the loss, per unit of the parameter
 * throws  UserError when two passes differ, and for a gradient mark that was not allowed
 */
export async function gradientOf(risk: Risk): Promise<RiskValue & { readonly gradient: ByParameter }> {
  const { sums, ...taken } = await overRisk(risk, { name: 'gradient', make: ({ total, wrt }) => ({ outputs: gradient(total, wrt) }) })
  return { ...taken, gradient: sums }
}
