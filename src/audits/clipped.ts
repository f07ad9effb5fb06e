import type { Clip } from '../train/index.ts'

/** What clipping took off a tensor's gradient over some steps. */
export interface Clipped {
  readonly steps: number
  /** Share of entries and steps that were clipped. */
  readonly rate: number
  /** Share of the gradient's absolute size that was taken off. */
  readonly mass: number
  /** |Σ r| / Σ |r| of what was taken off each entry, averaged over the entries that were clipped; 1 is always one way. */
  readonly consistency: number
  /** The same where every step took off its size with a sign drawn at random. */
  readonly byChance: number
  /** How much likelier an entry is clipped that was clipped a step before. */
  readonly persistence: number
  /** The rate of the later half of the steps beside that of the earlier half. */
  readonly flatness: number
  /** |Σ g| / Σ |g| of the gradient itself, averaged over entries. */
  readonly drift: number
}

/** Follows what is clipped off a tensor, step by step. `kept` is what each entry is multiplied by, or the limit that each is kept within. */
export function openClipped(size: number): {
  see(gradient: ArrayLike<number>, kept: { readonly factor: number; readonly counts: boolean } | { readonly limit: number }): void
  clipped(): Clipped
} {
  const [sum, all, squares, g, gAll] = Array.from({ length: 5 }, () => new Float64Array(size))
  const before = new Uint8Array(size)
  const perStep: number[] = []
  let [again, earlier, taken, whole] = [0, 0, 0, 0]
  return {
    see(gradient, kept) {
      let clipped = 0
      for (let i = 0; i < size; i++) {
        const x = gradient[i]!
        const r = 'limit' in kept ? Math.sign(x) * Math.max(0, Math.abs(x) - kept.limit) : (1 - kept.factor) * x
        const is = 'limit' in kept ? r !== 0 : kept.counts && x !== 0
        sum![i]! += r
        all![i]! += Math.abs(r)
        squares![i]! += r * r
        g![i]! += x
        gAll![i]! += Math.abs(x)
        taken += Math.abs(r)
        whole += Math.abs(x)
        if (is) clipped++
        if (before[i]) {
          earlier++
          if (is) again++
        }
        before[i] = is ? 1 : 0
      }
      perStep.push(size === 0 ? 0 : clipped / size)
    },
    clipped() {
      const rate = mean(perStep)
      const half = Math.floor(perStep.length / 2)
      const [early, late] = [mean(perStep.slice(0, half)), mean(perStep.slice(perStep.length - half))]
      const ratio = (of: ArrayLike<number>, by: Float64Array, scale = 1) =>
        mean(Array.from(by).flatMap((x, i) => (x > 0 ? [(scale * Math.abs(of[i]!)) / x] : [])))
      return {
        steps: perStep.length,
        rate,
        mass: whole > 0 ? taken / whole : 0,
        consistency: ratio(sum!, all!),
        byChance: ratio(squares!.map(Math.sqrt), all!, Math.sqrt(2 / Math.PI)),
        persistence: rate > 0 && earlier > 0 ? again / earlier / rate : 1,
        flatness: early > 0 ? late / early : late > 0 ? 1 : 0,
        drift: ratio(g!, gAll!),
      }
    },
  }
}

/** How a clip takes a tensor of each group: by value, or by a factor, which counts where it is far below that of the group that is kept most. */
export function keptBy(clip: Clip, factor: number, largest: number): { factor: number; counts: boolean } | { limit: number } {
  if ('value' in clip) return { limit: clip.value }
  // All that is scaled alike keeps its direction: only what a group loses beside the others is taken off it.
  return 'perGroup' in clip ? { factor: factor / largest, counts: factor < 0.1 * largest } : { factor: 1, counts: false }
}

function mean(numbers: readonly number[]): number {
  return numbers.length === 0 ? 0 : numbers.reduce((a, b) => a + b, 0) / numbers.length
}
