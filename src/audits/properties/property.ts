import type { AuditTarget } from '../target.ts'

/** What a property of gradient descent came to, on one training. */
export interface PropertySeen {
  /** Undefined where it was not to be told. */
  readonly holds: boolean | undefined
  readonly statistic: number
  /** Tensors for which it fails, where it is of single tensors. */
  readonly exceptions: readonly string[]
  readonly why: string
}

/** A property that the argument from gradient descent rests on, as a test of any training. */
export interface Property {
  readonly name: string
  /** What holds of plain gradient descent. */
  readonly claim: string
  /** Where it fails and nothing is wrong. */
  readonly fails: string
  test(target: AuditTarget, options: { readonly seed: number }): Promise<PropertySeen>
}
