import { agreement } from './edit-form.ts'
import type { FoundEdit } from './search.ts'

/** What searches that differ in their seed alone came to. */
export interface OverSeeds {
  readonly seeds: number
  readonly found: number
  /** |cos| of the changes, the mean over all pairs of searches that found something; none for fewer than two. */
  readonly cos: number | null
  /** Pairs whose edits are at the same sites. */
  readonly sameSites: number | null
  readonly norms: readonly number[]
}

/** How alike the edits are that searches by other seeds found: other prompts held out, and other draws. */
export function overSeeds(all: readonly FoundEdit[]): OverSeeds {
  const found = all.filter((one) => one.found)
  const pairs = found.flatMap((a, i) => found.slice(i + 1).map((b) => [a, b] as const))
  const mean = (of: (a: FoundEdit, b: FoundEdit) => number) =>
    pairs.length === 0 ? null : pairs.reduce((sum, [a, b]) => sum + of(a, b), 0) / pairs.length
  return {
    seeds: all.length,
    found: found.length,
    cos: mean((a, b) => agreement(a.changes(), b.changes())),
    sameSites: mean((a, b) => Number(a.sites.join() === b.sites.join())),
    norms: all.map(({ norm }) => norm),
  }
}
