// The package ships types but its exports map hides them (cephes 3.3.3). Only what is used stands here.
declare module 'cephes' {
  export const compiled: Promise<void>
  export function ndtr(x: number): number
  export function ndtri(p: number): number
  export function incbi(a: number, b: number, y: number): number
  export function lbeta(a: number, b: number): number
  export function psi(x: number): number
  export function zeta(x: number, q: number): number
}
