import { ancestors, hessianVectorProduct, jacobianVectorProduct, UserError, type Value, vectorJacobianProduct } from '../graph/index.ts'
import type { Operator } from './operator.ts'
import type { Risk } from './risk.ts'
import { riskOperator } from './risk-operator.ts'
import type { TracedRisk } from './trace-risk.ts'

/**
 * The generalised Gauss–Newton matrix Jᵀ·(∂²L/∂z²)·J of a risk. The split is at the logits z of the scored positions, as the head gives them
 * (after a cap, where the model has one): J is of the logits by the parameters, and L all that is computed of them. What is left out of the
 * Hessian is the curvature of the logits in the parameters.
 *
 * throws  UserError at the first product: for a loss that reads the model by more than its log-probabilities, of which it is no such matrix;
 *         and as hessian
 * source  Schraudolph 2002, Neural Computation 14:1723; Martens 2020, arXiv:1412.1193
 */
export function gaussNewton(risk: Risk): Operator {
  return riskOperator(risk, {
    name: 'gaussNewton',
    of(traced, v) {
      throughScores(traced)
      const { total, wrt, scores } = traced
      const [said, all] = jacobianVectorProduct([scores.said, scores.all], wrt, v)
      const bent = hessianVectorProduct(total, { said: scores.said, all: scores.all }, { said: said!, all: all! })
      return { outputs: vectorJacobianProduct([scores.said, scores.all], wrt, [bent.said, bent.all]) }
    },
  })
}

/** Makes sure that parameters reach the losses through the logits alone. */
function throughScores({ losses, wrt, scores }: TracedRisk): void {
  const cut = new Set<Value>([scores.said, scores.all])
  const seen = new Set<Value>()
  const stack = [losses]
  while (stack.length > 0) {
    const value = stack.pop()!
    if (seen.has(value) || cut.has(value)) continue
    seen.add(value)
    stack.push(...Object.values(value.inputs))
  }
  const past = Object.entries(wrt).find(([, value]) => seen.has(value))
  if (past)
    throw new UserError(
      `gaussNewton: a loss must read the model through its log-probabilities alone, got one that also reads ${past[0]} on another way; take the hessian of it`,
    )
  if (ancestors([losses]).includes(scores.said)) return
  throw new UserError('gaussNewton: a loss must read log-probabilities, got one that reads none; take the hessian of it')
}
