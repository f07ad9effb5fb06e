import { tanh, type Value } from '../graph/index.ts'

/** cap · tanh(x / cap): nearly x where it is small, and never beyond the cap. */
export function capped(x: Value, cap: number | undefined): Value {
  return cap === undefined ? x : tanh(x.div(cap)).mul(cap)
}
