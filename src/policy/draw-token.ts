/** How a token is chosen from a distribution. */
export interface Choice {
  readonly greedy?: boolean
  readonly topK?: number
  readonly topP?: number
  /** Only entries that have at least this share of the likeliest one's probability. */
  readonly minP?: number
}

/**
 * Chooses an index by its probability, from all entries or from the likeliest ones, renormalised. Top-k is taken first, then top-p of
 * what is left, then min-p; ties go to the smaller index.
 *
 * Entries are halved until one is left, each time by a new number in [0, 1), `draw(depth)`. One number against the cumulative sum would
 * do, but with 32,000 edges it falls onto one every few thousand tokens, where the last bits of the probabilities decide.
 */
export function drawToken(probabilities: Float32Array, draw: (depth: number) => number, choice: Choice = {}): number {
  if (choice.greedy) return largest(probabilities, 1)[0]!
  const kept = keptOf(probabilities, choice)
  if (!kept) return halve(probabilities, draw)
  const weights = Float32Array.from(kept, (i) => probabilities[i]!)
  return kept[halve(weights, draw)]!
}

/** The indices that may be chosen, in order; undefined for all. */
export function keptOf(probabilities: Float32Array, { topK, topP = 1, minP = 0 }: Choice): number[] | undefined {
  if (!topK && topP >= 1) return minP > 0 ? nearTop(probabilities, minP) : undefined
  let kept = largest(probabilities, Math.min(topK ?? 64, probabilities.length))
  if (topP < 1) {
    const whole = topK ? massOf(probabilities, kept) : 1
    while (!topK && kept.length < probabilities.length && massOf(probabilities, kept) < topP)
      kept = largest(probabilities, Math.min(kept.length * 4, probabilities.length))
    let mass = 0
    const end = kept.findIndex((i) => (mass += probabilities[i]! / whole) >= topP)
    if (end >= 0) kept = kept.slice(0, end + 1)
  }
  const least = minP * probabilities[kept[0]!]!
  return kept.filter((i) => probabilities[i]! >= least).sort((a, b) => a - b)
}

function nearTop(probabilities: Float32Array, minP: number): number[] {
  const least = minP * probabilities.reduce((most, p) => Math.max(most, p), 0)
  const kept: number[] = []
  for (let i = 0; i < probabilities.length; i++) if (probabilities[i]! >= least) kept.push(i)
  return kept
}

function massOf(probabilities: Float32Array, kept: readonly number[]): number {
  return kept.reduce((total, i) => total + probabilities[i]!, 0)
}

function halve(probabilities: Float32Array, draw: (depth: number) => number): number {
  let from = 0
  let to = probabilities.length
  for (let depth = 0; to - from > 1; depth++) {
    const middle = (from + to) >> 1
    const left = sumOf(probabilities, from, middle)
    const right = sumOf(probabilities, middle, to)
    if (draw(depth) * (left + right) < left) to = middle
    else from = middle
  }
  return from
}

function sumOf(values: Float32Array, from: number, to: number): number {
  let total = 0
  for (let i = from; i < to; i++) total += values[i]!
  return total
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
