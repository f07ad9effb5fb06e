import { digamma, logBeta, trigamma } from '../src/goals/special-functions.ts'

/** Beta(a, b) on the probability that one side wins: a and b are pseudo-votes. */
export interface Beta {
  readonly a: number
  readonly b: number
}

/** Beta(a, b) after k of n votes: the votes are added. */
export function update({ a, b }: Beta, k: number, n: number): Beta {
  return { a: a + k, b: b + n - k }
}

export function mean({ a, b }: Beta): number {
  return a / (a + b)
}

/**
 * The code length of k of n votes in a given order: −log2 B(a+k, b+n−k)/B(a, b). It equals the prequential length in any order.
 *
 * units   bits; a fair coin costs n
 */
export function evidenceBits(prior: Beta, k: number, n: number): number {
  const posterior = update(prior, k, n)
  return (logBeta(prior.a, prior.b) - logBeta(posterior.a, posterior.b)) / Math.LN2
}

/** KL(p‖q)/ln 2 between two Betas, in bits. */
export function klBeta(p: Beta, q: Beta): number {
  const digammas = (p.a - q.a) * digamma(p.a) + (p.b - q.b) * digamma(p.b) + (q.a - p.a + q.b - p.b) * digamma(p.a + p.b)
  return (logBeta(q.a, q.b) - logBeta(p.a, p.b) + digammas) / Math.LN2
}

/**
 * The symmetric Beta that label smoothing ε amounts to on n votes: a = b = ε·n/(1−2ε). It grows with n, so data never washes it out.
 *
 * source  goals.md §2; V-SMOOTH-1
 */
export function fromSmoothing(epsilon: number, n: number): Beta {
  const a = (epsilon * n) / (1 - 2 * epsilon)
  return { a, b: a }
}

/** The Gaussian on the log-odds with the same mean and variance: ψ(a) − ψ(b) and ψ′(a) + ψ′(b). */
export function toLogOdds({ a, b }: Beta): { mean: number; variance: number } {
  return { mean: digamma(a) - digamma(b), variance: trigamma(a) + trigamma(b) }
}
