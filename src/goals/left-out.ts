import { Matrix } from 'ml-matrix'
import { sigmoid, surpriseOf } from './likelihood.ts'
import { paretoK } from './pareto.ts'
import { type Believed, type Posterior, posteriorOf, predictMargin } from './posterior.ts'
import type { VotedPair } from './voted-pair.ts'

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
 * Leverages sum to no more than the number of goals, so few pairs are above a tenth; these are left out by fitting the others. Draws by HMC are
 * weighed by 1/p(votes of the pair) instead, and the others are fitted anew where these weights have too long a tail.
 *
 * shape   one probability a pair, that a beats b
 * source  Pregibon 1981, Logistic regression diagnostics; Vehtari et al. 2017 (leaving out by importance)
 */
export function predictLeftOut(prior: Believed, pairs: readonly VotedPair[], posterior: Posterior): number[] {
  const anew = (i: number) => posteriorOf(prior, pairs.toSpliced(i, 1), { method: posterior.found.method }).predict(pairs[i]!.x)
  return pairs.map((pair, i) => {
    if (posterior.draws) return byWeights(posterior.draws, pair) ?? anew(i)
    const x = Matrix.columnVector([...pair.x])
    const h = x.transpose().mmul(posterior.covariance).mmul(x).get(0, 0)
    const margin = pair.x.reduce((sum, v, k) => sum + v * posterior.mean[k]!, 0)
    const { push, information } = surpriseOf(pair, margin)
    const leverage = h * information
    return leverage > large ? anew(i) : predictMargin(margin - (h * push) / (1 - leverage), h / (1 - leverage))
  })
}

/** From this k̂ on weights say nothing. */
const longTail = 0.7

function byWeights(draws: readonly Float64Array[], { x, votes: [a, b] }: VotedPair): number | undefined {
  const margins = draws.map((w) => x.reduce((sum, value, k) => sum + value * w[k]!, 0))
  const logs = margins.map((margin) => -a * Math.log(sigmoid(margin)) - b * Math.log(sigmoid(-margin)))
  if (a + b > 0 && paretoK(logs) > longTail) return undefined
  const most = Math.max(...logs)
  const weights = logs.map((log) => Math.exp(log - most))
  return margins.reduce((sum, margin, s) => sum + weights[s]! * sigmoid(margin), 0) / weights.reduce((sum, w) => sum + w, 0)
}
