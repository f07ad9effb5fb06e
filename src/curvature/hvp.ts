import { hessianVectorProduct, input, sameShape, show, type Tensor, tensor, UserError, type Value } from '../graph/index.ts'
import { overRisk } from './over-risk.ts'
import type { ByParameter, Risk, RiskValue } from './risk.ts'

/**
 * H·v, for the Hessian H of a risk with respect to its parameters, without building H: the gradient of (gradient · v), exact.
 *
 * shape   v and the result each shaped like their parameter; a parameter that v leaves out is left out on both sides of H
 * units   of the loss, per unit of the parameter, for v in units of the parameter
 * throws  UserError for a v that is not shaped like its parameter, when two passes differ, and for a gradient mark that was not allowed
 * source  Pearlmutter 1994, Neural Computation 6:147
 */
export async function hvp(risk: Risk, v: ByParameter): Promise<RiskValue & { readonly product: ByParameter }> {
  const { policy } = risk
  for (const [name, direction] of Object.entries(v)) {
    const parameter = policy.given[name]
    if (!parameter || !sameShape(parameter.shape, direction.shape))
      throw new UserError(
        `hvp: v must be shaped like the parameters, got ${name} as ${show(direction)}${parameter ? ` for ${show(parameter)}` : ', which is no parameter'}; take the shapes of gradientOf()`,
      )
  }
  const feeds = Object.fromEntries(Object.entries(v).map(([name, direction]) => [directionOf(name), single(direction)]))
  const names = Object.keys(v).sort()
  const { sums, ...taken } = await overRisk(risk, {
    name: `hvp ${names.join()}`,
    feeds,
    make({ total, wrt }) {
      const missing = names.find((name) => !wrt[name])
      if (missing) throw new UserError(`hvp: v must be of parameters that wrt chooses, got ${missing}; leave it out, or let wrt choose it`)
      const chosen = Object.fromEntries(names.map((name) => [name, wrt[name]!]))
      const directions: Record<string, Value> = Object.fromEntries(
        names.map((name) => [name, input(directionOf(name), chosen[name]!.shape)]),
      )
      return {
        outputs: hessianVectorProduct(total, chosen, directions),
        inputs: Object.fromEntries(names.map((name) => [directionOf(name), directions[name]!])),
      }
    },
  })
  return { ...taken, product: sums }
}

function directionOf(name: string): string {
  return `direction.${name}`
}

/** The engine computes in f32. */
function single({ shape, data }: Tensor): Tensor {
  return tensor(Float32Array.from(data), shape)
}
