/** Smallest, middle and largest of some lengths, in tokens. */
export interface Lengths {
  readonly min: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
  readonly mean: number
}

/** Lengths counted one by one, in memory that grows with the longest alone. */
export interface LengthCounts {
  add(length: number): void
  /** What they come to; at least one must be there. */
  lengths(): Lengths
}

/** Begins to count lengths. units tokens */
export function lengthCounts(): LengthCounts {
  const counts: number[] = []
  let total = 0
  let sum = 0
  return {
    add(length) {
      while (counts.length <= length) counts.push(0)
      counts[length]!++
      total++
      sum += length
    },
    lengths() {
      // The smallest length that at least this share of the rows does not exceed.
      const quantile = (share: number) => {
        let left = Math.max(1, Math.ceil(share * total))
        return counts.findIndex((count) => (left -= count) <= 0)
      }
      const [min, p50, p90, p99] = [0, 0.5, 0.9, 0.99].map(quantile) as [number, number, number, number]
      return { min, p50, p90, p99, max: counts.length - 1, mean: sum / total }
    },
  }
}
