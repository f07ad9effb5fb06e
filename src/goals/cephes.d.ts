// The package ships types but its exports map hides them (cephes 3.3.3). Only what is used stands here.
declare module 'cephes' {
  /** Φ(x), the normal distribution function. */
  export function ndtr(x: number): number
  /** Φ⁻¹(p). */
  export function ndtri(p: number): number
  /** ln B(a, b). */
  export function lbeta(a: number, b: number): number
  /** The digamma function ψ(x). */
  export function psi(x: number): number
  /** Hurwitz' ζ(x, q); ζ(2, q) is the trigamma function ψ′(q). */
  export function zeta(x: number, q: number): number
}
