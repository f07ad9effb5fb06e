/** How a token is chosen from a distribution. */
export interface Choice {
  readonly greedy?: boolean
  readonly topK?: number
  readonly topP?: number
}

/**
 * Chooses an index by inverse cumulative probability at u ∈ [0, 1), from all entries or from the likeliest ones, renormalised.
 * Top-k is taken first, then top-p of what is left; ties go to the smaller index.
 */
export function choose(probabilities: Float32Array, u: number, { greedy, topK, topP }: Choice = {}): number {
  if (greedy) return largest(probabilities, 1)[0]!
  if (!topK && (topP === undefined || topP >= 1)) return walk(probabilities, u)
  let kept = largest(probabilities, Math.min(topK ?? 64, probabilities.length))
  if (topP !== undefined && topP < 1) {
    const whole = topK ? kept.reduce((total, i) => total + probabilities[i]!, 0) : 1
    while (!topK && kept.length < probabilities.length && massOf(probabilities, kept) < topP)
      kept = largest(probabilities, Math.min(kept.length * 4, probabilities.length))
    let mass = 0
    const end = kept.findIndex((i) => (mass += probabilities[i]! / whole) >= topP)
    if (end >= 0) kept = kept.slice(0, end + 1)
  }
  return kept[
    walk(
      Float32Array.from(kept, (i) => probabilities[i]!),
      u,
    )
  ]!
}

function massOf(probabilities: Float32Array, kept: readonly number[]): number {
  return kept.reduce((total, i) => total + probabilities[i]!, 0)
}

function walk(probabilities: Float32Array, u: number): number {
  let total = 0
  for (let i = 0; i < probabilities.length; i++) total += probabilities[i]!
  let left = u * total
  let last = 0
  for (let i = 0; i < probabilities.length; i++) {
    const p = probabilities[i]!
    if (p > 0) last = i
    if ((left -= p) < 0) return i
  }
  return last
}

/** Indices of the k largest entries, largest first. */
function largest(values: Float32Array, k: number): number[] {
  // A sorted list of at most k: nearly every entry is refused by one comparison with the last.
  const kept: number[] = []
  let least = Number.NEGATIVE_INFINITY
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (kept.length === k && value <= least) continue
    let low = 0
    let high = kept.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (values[kept[middle]!]! >= value) low = middle + 1
      else high = middle
    }
    kept.splice(low, 0, i)
    if (kept.length > k) kept.pop()
    least = values[kept.at(-1)!]!
  }
  return kept
}
