import { Matrix } from 'ml-matrix'
import { type Posterior, posteriorOf, predict, predictMargin, surpriseOf, type VotedPair } from './posterior.ts'
import type { GoalPrior } from './prior.ts'

/** From this leverage on a pair is left out by fitting all others anew. */
const large = 0.1

/**
 * What the posterior of all other votes predicts for each pair: a pair's own votes are in its label already, and would be counted twice.
 *
 * One Newton step from the posterior's mode takes a pair out of it. With leverage h·c, h = xᵀH⁻¹x and c = n·p(1 − p), the margin's mean and
 * variance become
 *
 *     μ − h·(for a − n·p)/(1 − h·c)        h/(1 − h·c)
 *
 * Leverages sum to no more than the number of goals, so few pairs are above a tenth; these are left out by fitting the others.
 *
 * shape   one probability a pair, that a beats b
 * source  Pregibon 1981, Logistic regression diagnostics
 */
export function predictLeftOut(prior: Pick<GoalPrior, 'mean' | 'variance'>, pairs: readonly VotedPair[], posterior: Posterior): number[] {
  return pairs.map((pair, i) => {
    const x = Matrix.columnVector([...pair.x])
    const h = x.transpose().mmul(posterior.covariance).mmul(x).get(0, 0)
    const margin = pair.x.reduce((sum, v, k) => sum + v * posterior.mean[k]!, 0)
    const { push, information } = surpriseOf(pair, margin)
    const leverage = h * information
    if (leverage > large)
      return predict(
        posteriorOf(
          prior,
          pairs.filter((_, j) => j !== i),
        ),
        pair.x,
      )
    return predictMargin(margin - (h * push) / (1 - leverage), h / (1 - leverage))
  })
}
