import { demand } from './errors.ts'
import { gradient } from './gradient.ts'
import { input } from './ops/leaf.ts'
import { stopGradient } from './ops/marks.ts'
import { sum } from './ops/reduce.ts'
import { sameShape, show } from './tensor.ts'
import type { Value } from './value.ts'

type Named = Readonly<Record<string, Value>>

/**
 * J·v for the Jacobian J of outputs by values: how each output moves when the values move along v. The gradient of (Jᵀu)·v in u, of which u
 * itself drops out, so it costs about two forward passes.
 *
 * shape   v as `wrt`; the results as the outputs
 * throws  ShapeError as gradient, or when v has another form
 * source  Townsend 2017, "A new trick for calculating Jacobian vector products"
 */
export function jacobianVectorProduct(outputs: readonly Value[], wrt: Named, v: Named): Value[] {
  const weights = outputs.map(({ shape }, i) => input(`weight.${i}`, shape))
  const back = gradient(total(outputs.map((y, i) => y.mul(weights[i]!))), wrt)
  const along = Object.entries(back).map(([name, slope]) => {
    const direction = v[name]
    demand(
      direction !== undefined && sameShape(direction.shape, slope.shape),
      () => `jacobianVectorProduct: v must have the form of wrt, got ${direction ? show(direction) : 'nothing'} for ${name} ${show(slope)}`,
    )
    return slope.mul(direction)
  })
  return gradient(total(along), weights)
}

/**
 * Jᵀ·u for the Jacobian J of several outputs by values: what arrives at the values when u is what arrives at the outputs. u is a constant to it.
 *
 * shape   u as the outputs; the results as `wrt`
 */
export function vectorJacobianProduct<N extends Named>(outputs: readonly Value[], wrt: N, u: readonly Value[]): N {
  return gradient(total(outputs.map((y, i) => y.mul(stopGradient(u[i]!)))), wrt)
}

function total(values: readonly Value[]): Value {
  return values.map((value) => sum(value)).reduce((a, b) => a.add(b))
}
