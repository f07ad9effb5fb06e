import { norm } from './edit-form.ts'
import type { Searched, Wanted } from './searched.ts'

/** A text with the token that should be said at one place, and the one that is said there: what a bound is taken of. */
export interface GapAt {
  readonly ids: readonly number[]
  readonly at: number
  readonly rival: number
}

/** Rows that a bound is taken of at most; each costs a pass back. */
export const boundRows = 16

/**
 * What a change of the sites must have as its norm at least, to first order, so that a share of texts say what they should: of each the score gap
 * over the norm of its slope, 0 where nothing is in the way, and of these the value that the share reaches.
 *
 * source  to first order a gap m with slope g needs ‖δ‖ ≥ m/‖g‖; vector V-EDIT-1
 */
export async function lowerBound(searched: Searched, texts: readonly (GapAt | undefined)[], share: number): Promise<number> {
  const needs: number[] = []
  for (const text of texts) {
    if (!text) {
      needs.push(0)
      continue
    }
    const { loss, slopes } = await searched.gap(text.ids, text.at, text.rival)
    needs.push(Math.max(0, loss) / norm(...Object.values(slopes)))
  }
  needs.sort((a, b) => a - b)
  return needs[Math.max(0, Math.ceil(share * needs.length) - 1)] ?? 0
}

/** What a share of a loss needs to first order: share · loss over the norm of its slope. */
export async function lossBound(texts: Wanted, share: number): Promise<number> {
  let loss = 0
  const sum: Record<string, Float64Array> = {}
  for (let batch = 0; batch < texts.batches; batch++) {
    const found = await texts.slope(batch)
    loss += found.loss
    for (const [name, slope] of Object.entries(found.slopes)) {
      sum[name] ??= new Float64Array(slope.length)
      for (let i = 0; i < slope.length; i++) sum[name]![i]! += slope[i]!
    }
  }
  return (share * loss) / norm(...Object.values(sum))
}
