import type { Example } from '../objectives/index.ts'
import type { Policy } from '../policy/index.ts'

/** Two completions of a prompt, to be compared. */
export interface Asked {
  readonly prompt: readonly number[]
  readonly a: readonly number[]
  readonly b: readonly number[]
}

/** Data that the policy itself draws, as far as channel 5 asks. */
export interface AdaptiveData {
  readonly kind: 'adaptive'
  /** Takes one more group from the policy as it now is. */
  readonly draw: (seed: number) => Promise<readonly Example[]>
  /** What the policy started from. */
  readonly reference?: Policy
  /** The share of votes for the first completion of each pair. */
  readonly prefer?: (pairs: readonly Asked[], seed: number) => Promise<readonly number[]>
  readonly eosIds: readonly number[]
}

/** Where the examples of a training come from. */
export type DataStream =
  /** All examples were there before the first step. */
  { readonly kind: 'fixed' } | AdaptiveData
