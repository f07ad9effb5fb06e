import { compiled, incbi, lbeta, ndtr, ndtri, psi, zeta } from 'cephes'

// Cephes is WebAssembly: it answers only once it is compiled.
await compiled

/** Φ(x), the normal distribution function. */
export const normalCdf = ndtr

/** Φ⁻¹(p). */
export const normalQuantile = ndtri

/** The quantile of Beta(a, b): a, b, then p. */
export const betaQuantile = incbi

/** ln B(a, b). */
export const logBeta = lbeta

/** ψ(x), the derivative of ln Γ. */
export const digamma = psi

/** ψ′(x), which is Hurwitz' ζ(2, x). */
export function trigamma(x: number): number {
  return zeta(2, x)
}

/**
 * The point that Student's t with so many degrees of freedom, whole or not, stays below with probability p.
 *
 * source  Abramowitz and Stegun 26.7.1: t² = ν·(1 − x)/x with x the inverse incomplete beta of (ν/2, ½)
 */
export function studentQuantile(p: number, freedom: number): number {
  if (p === 0.5) return 0
  const x = incbi(freedom / 2, 0.5, 2 * Math.min(p, 1 - p))
  return Math.sign(p - 0.5) * Math.sqrt((freedom * (1 - x)) / x)
}
