import type { Model } from '../policy/index.ts'

/** Something that must hold exactly, with what was seen: |seen − wanted| ≤ within. */
export interface Law {
  readonly law: string
  readonly seen: number
  readonly wanted: number
  readonly within: number
}

/** The largest difference of two arrays, entry by entry; Infinity where their lengths differ or one has no number. */
export function apart(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  let most = 0
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!)
    if (!(difference <= most)) most = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference
  }
  return most
}

/** A way to look inside a model or to change it, as a value: a test tries its laws on a small model of every family. */
export interface Method {
  readonly name: string
  /** What it computes, in a sentence. */
  readonly about: string
  readonly source: string
  /** What must hold of any model, tried on one; a law that does not apply to it is left out. */
  laws(model: Model): Promise<readonly Law[]>
}
