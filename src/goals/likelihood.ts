import type { VotedPair } from './voted-pair.ts'

/** The log-likelihood of votes in the weights: Bradley–Terry, p(a beats b) = σ(w·x). */
export interface Likelihood {
  readonly votes: number
  /** ln p(votes | w); `slope` gets the derivative added. */
  at(w: ArrayLike<number>, slope?: Float64Array): number
}

/** Reads pairs once, for many looks at their likelihood. */
export function likelihoodOf(pairs: readonly VotedPair[], goals: number): Likelihood {
  const voted = pairs.filter(({ votes: [a, b] }) => a + b > 0)
  const x = Float64Array.from(voted.flatMap((pair) => pair.x))
  const forA = Float64Array.from(voted, ({ votes }) => votes[0])
  const forB = Float64Array.from(voted, ({ votes }) => votes[1])
  return {
    votes: forA.reduce((sum, n, i) => sum + n + forB[i]!, 0),
    at(w, slope) {
      let log = 0
      for (let i = 0; i < forA.length; i++) {
        let margin = 0
        for (let k = 0; k < goals; k++) margin += w[k]! * x[i * goals + k]!
        const small = Math.exp(-Math.abs(margin))
        const tail = Math.log1p(small)
        log += forA[i]! * (Math.min(margin, 0) - tail) + forB[i]! * (Math.min(-margin, 0) - tail)
        if (!slope) continue
        const lost = (margin > 0 ? small : 1) / (1 + small)
        const push = forA[i]! * lost - forB[i]! * (1 - lost)
        for (let k = 0; k < goals; k++) slope[k]! += push * x[i * goals + k]!
      }
      return log
    },
  }
}

/**
 * ln of the probability of a pair's votes, in their order, whose margin is N(mean, variance): the integral of σ(t)^a·(1 − σ(t))^b.
 *
 * limits  sums at steps of a fifth of the integrand's width, which for such smooth ones is exact to some 12 digits
 */
export function logVotes([a, b]: readonly [number, number], mean: number, variance: number): number {
  if (a + b === 0) return 0
  const likely = (t: number) => {
    const tail = Math.log1p(Math.exp(-Math.abs(t)))
    return a * (Math.min(t, 0) - tail) + b * (Math.min(-t, 0) - tail)
  }
  if (variance === 0) return likely(mean)
  const log = (t: number) => likely(t) - (t - mean) ** 2 / (2 * variance)
  let t = mean
  let curvature = 1 / variance
  for (let round = 0; round < 60; round++) {
    const p = 1 / (1 + Math.exp(-t))
    curvature = 1 / variance + (a + b) * p * (1 - p)
    const step = (a * (1 - p) - b * p - (t - mean) / variance) / curvature
    t += Math.max(-2, Math.min(2, step))
    if (Math.abs(step) < 1e-9) break
  }
  const h = 0.2 / Math.sqrt(curvature)
  const top = log(t)
  let sum = 1
  for (const side of [-1, 1])
    for (let j = 1, term = 1; term > 1e-17 && j < 1e5; j++) {
      term = Math.exp(log(t + side * j * h) - top)
      sum += term
    }
  return top + Math.log((sum * h) / Math.sqrt(2 * Math.PI * variance))
}

/**
 * The first derivative of a pair's log-likelihood in its margin, for a − n·p, and minus the second, n·p(1 − p). Nothing cancels where the votes
 * are many and the margin is large.
 */
export function surpriseOf({ votes: [a, b] }: VotedPair, margin: number): { push: number; information: number } {
  const [won, lost] = [sigmoid(margin), sigmoid(-margin)]
  return { push: a * lost - b * won, information: (a + b) * won * lost }
}

export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x))
}
