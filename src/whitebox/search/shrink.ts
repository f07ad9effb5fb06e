import { norm } from './edit-form.ts'

/**
 * The proximal step of a norm: δ ← max(0, 1 − by/‖δ‖)·δ, in place, of all arrays of a group together.
 *
 * units   `by` is learning rate · λ, in units of δ
 * source  Yuan and Lin 2006, Model selection and estimation in regression with grouped variables; vector V-PROX-1
 */
export function shrink(group: readonly Float64Array[], by: number): void {
  const size = norm(...group)
  const kept = size === 0 ? 0 : Math.max(0, 1 - by / size)
  for (const delta of group) for (let i = 0; i < delta.length; i++) delta[i]! *= kept
}

/**
 * The smallest change that moves a linear score with gradient g by −margin: δ = −margin · g/‖g‖². Its length, margin/‖g‖, is what any
 * change needs to first order.
 *
 * source  the Cauchy-Schwarz inequality; vector V-EDIT-1
 */
export function leastChange(gradient: Float64Array, margin: number): Float64Array {
  const square = norm(gradient) ** 2
  return gradient.map((g) => (-margin * g) / square)
}
