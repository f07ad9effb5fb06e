import { compiled, lbeta, ndtr, ndtri, psi, zeta } from 'cephes'

// Cephes is WebAssembly: it answers only once it is compiled.
await compiled

/** Φ(x), the normal distribution function. */
export const normalCdf = ndtr

/** Φ⁻¹(p). */
export const normalQuantile = ndtri

/** ln B(a, b). */
export const logBeta = lbeta

/** ψ(x), the derivative of ln Γ. */
export const digamma = psi

/** ψ′(x), which is Hurwitz' ζ(2, x). */
export function trigamma(x: number): number {
  return zeta(2, x)
}
