const half = 1 << 16

/** An entry by its place in ascending order, and how many are smaller. */
export interface Ranked {
  readonly value: number
  readonly smaller: number
}

/** The entry that `rank` others come before, of whole numbers of 32 bits; found by counting their upper halves, then the lower ones. */
export function entryAt(numbers: Uint32Array, rank: number): Ranked {
  const upper = new Uint32Array(half)
  for (let i = 0; i < numbers.length; i++) upper[numbers[i]! >>> 16]!++
  const high = bucketAt(upper, rank)
  const lower = new Uint32Array(half)
  for (let i = 0; i < numbers.length; i++) if (numbers[i]! >>> 16 === high.bucket) lower[numbers[i]! & 0xffff]!++
  const low = bucketAt(lower, rank - high.before)
  return { value: ((high.bucket << 16) | low.bucket) >>> 0, smaller: high.before + low.before }
}

function bucketAt(counts: Uint32Array, rank: number) {
  let before = 0
  for (let bucket = 0; bucket < counts.length; bucket++) {
    if (rank < before + counts[bucket]!) return { bucket, before }
    before += counts[bucket]!
  }
  throw new Error(`internal: a rank must be below ${before}, got ${rank}`)
}

/** The sizes of differences as the bits of f32, which are in the same order as the numbers. */
export function sizes(x: Float32Array, base: Float32Array): Uint32Array {
  const out = new Float32Array(x.length)
  for (let i = 0; i < x.length; i++) out[i] = Math.abs(x[i]! - base[i]!)
  return new Uint32Array(out.buffer)
}
