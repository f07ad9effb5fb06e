import { UserError } from '../graph/errors.ts'

/** What DReST is told: λ, and how many lengths there are. */
export interface DrestSettings {
  readonly lambda: number
  /** How many different lengths a mini-episode can have. */
  readonly lengths: number
}

/**
 * Checks λ.
 *
 * throws  UserError when it is not in (0, 1]
 */
export function checkLambda(lambda: number, where = 'lambda'): void {
  if (!(lambda > 0 && lambda <= 1))
    throw new UserError(`${where}: must be above 0 and at most 1, got ${lambda}; the usual value is 0.9, and 1 is no discount at all`)
}

/**
 * The factor of DReST: λ^(N − i/k), for mini-episode i of a meta-episode (from 0), when N mini-episodes before it had the same length.
 *
 * source  arXiv:2407.00805, the DReST reward; V-DREST-SEQ
 */
export function drestDiscount(same: number, index: number, { lambda, lengths }: DrestSettings): number {
  return lambda ** (same - index / lengths)
}

/**
 * The factors of a whole meta-episode in the order in which it happened.
 *
 * source  V-DREST-SEQ
 */
export function drestDiscounts(lengths: readonly (string | number)[], settings: DrestSettings): number[] {
  const counts = new Map<string | number, number>()
  return lengths.map((length, i) => {
    const same = counts.get(length) ?? 0
    counts.set(length, same + 1)
    return drestDiscount(same, i, settings)
  })
}

/**
 * The same averaged exactly over all orders of one meta-episode, for an answer whose length was chosen `chosen` times among `answers`: at place
 * j the number of earlier answers of its length is hypergeometric. It leaves the expected reward as it is and takes out the noise of the order.
 *
 *     (1/G) Σ_j λ^(−j/k) Σ_c C(n−1, c)·C(G−n, j−c)/C(G−1, j) · λ^c
 *
 * throws  UserError when `chosen` is not from 1 to `answers`
 * source  arXiv:2604.17502 and its code; V-DREST-AVG
 */
export function averagedDiscount(chosen: number, answers: number, { lambda, lengths }: DrestSettings): number {
  if (!(chosen >= 1 && chosen <= answers))
    throw new UserError(`averagedDiscount: chosen must be from 1 to ${answers}, got ${chosen}; count the answer itself too`)
  const logs = logFactorials(answers)
  const choose = (n: number, k: number) => (k < 0 || k > n ? Number.NEGATIVE_INFINITY : logs[n]! - logs[k]! - logs[n - k]!)
  let total = 0
  for (let j = 0; j < answers; j++) {
    const all = choose(answers - 1, j)
    for (let c = 0; c <= Math.min(j, chosen - 1); c++)
      total += lambda ** (c - j / lengths) * Math.exp(choose(chosen - 1, c) + choose(answers - chosen, j - c) - all)
  }
  return total / answers
}

function logFactorials(most: number): Float64Array {
  const logs = new Float64Array(most + 1)
  for (let n = 2; n <= most; n++) logs[n] = logs[n - 1]! + Math.log(n)
  return logs
}
