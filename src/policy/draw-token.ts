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
  const sums = sumsOfHalves(probabilities)
  let from = 0
  let to = probabilities.length
  for (let depth = 0, at = 1; to - from > 1; depth++) {
    const middle = (from + to) >> 1
    const known = 2 * at + 1 < sums.length
    const left = known ? sums[2 * at]! : sumOf(probabilities, from, middle)
    const right = known ? sums[2 * at + 1]! : sumOf(probabilities, middle, to)
    const goesLeft = draw(depth) * (left + right) < left
    if (goesLeft) to = middle
    else from = middle
    at = 2 * at + (goesLeft ? 0 : 1)
  }
  return from
}

/** Of so many halvings the sums are made at once, from below, so that every entry is read once. */
const HALVINGS = 6

/** Sums of the halves, of their halves and so on: those of the part at place i are at 2i and 2i + 1, all entries being at 1. None where entries are few. */
function sumsOfHalves(values: Float32Array): Float64Array {
  if (values.length < 2 ** (HALVINGS + 2)) return none
  const parts = 2 ** HALVINGS
  const sums = new Float64Array(2 * parts)
  let edges = [0, values.length]
  for (let depth = 0; depth < HALVINGS; depth++) edges = edges.flatMap((to, i) => (i === 0 ? [to] : [(edges[i - 1]! + to) >> 1, to]))
  for (let i = 0; i < parts; i++) sums[parts + i] = sumOf(values, edges[i]!, edges[i + 1]!)
  for (let i = parts - 1; i > 0; i--) sums[i] = sums[2 * i]! + sums[2 * i + 1]!
  return sums
}
const none = new Float64Array()

/** In four sums side by side, which do not wait for one another. */
function sumOf(values: Float32Array, from: number, to: number): number {
  let a = 0
  let b = 0
  let c = 0
  let d = 0
  let i = from
  for (; i + 3 < to; i += 4) {
    a += values[i]!
    b += values[i + 1]!
    c += values[i + 2]!
    d += values[i + 3]!
  }
  for (; i < to; i++) a += values[i]!
  return a + b + (c + d)
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
