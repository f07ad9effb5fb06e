import { exp, logSigmoid, minimum, type Value } from '../graph/index.ts'

/** Divergences of the policy from the reference that can stand in the place of the reverse KL. */
export const fDivergences = ['reverseKl', 'forwardKl', 'jensenShannon', 'alpha'] as const

/**
 * What a log-ratio d = log π/π_ref counts under an f-divergence: f′(e^d), which is d for the reverse KL. With the constants that make it 0 at
 * d = 0.
 *
 * shape   f32[n] → f32[n]
 * limits  of α, an exponent is kept at 80 at most
 * source  Wang et al. 2023, arXiv:2309.16240, table 1
 */
export function divergenceScore(logRatio: Value, divergence: (typeof fDivergences)[number], alpha: number): Value {
  if (divergence === 'forwardKl') return exp(logRatio.neg()).neg().add(1)
  if (divergence === 'jensenShannon') return logSigmoid(logRatio).add(Math.LN2)
  if (divergence === 'reverseKl' || Math.abs(alpha - 1) < 1e-6) return logRatio
  return exp(minimum(logRatio.mul(alpha - 1), 80))
    .sub(1)
    .div(alpha - 1)
}
