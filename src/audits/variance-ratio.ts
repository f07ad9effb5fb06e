import { random } from '../random/index.ts'

/** Inner products of the gradients of examples: entry (i, j) is at i · n + j. */
export interface Gram {
  readonly n: number
  readonly data: Float64Array
}

/** The inner products of rows, one for each example. */
export function gramOf(rows: readonly Float64Array[]): Gram {
  const n = rows.length
  const data = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let dot = 0
      const [a, b] = [rows[i]!, rows[j]!]
      for (let k = 0; k < a.length; k++) dot += a[k]! * b[k]!
      data[i * n + j] = dot
      data[j * n + i] = dot
    }
  return { n, data }
}

/**
 * The variance of batch means times the batch's size, over the variance of single examples: 1 for batches drawn apart, near 0 where examples of
 * a batch cancel, above 1 where they go together. Variances are summed over coordinates.
 *
 * shape   batches of one size, of places of examples
 * source  audits.md section 5
 */
export function varianceRatio(gram: Gram, batches: readonly (readonly number[])[]): number {
  const all = batches.flat()
  const [size, count] = [batches[0]!.length, batches.length]
  const whole = sumOver(gram, all) / all.length ** 2
  const own = all.reduce((sum, i) => sum + gram.data[i * gram.n + i]!, 0)
  const means = batches.reduce((sum, batch) => sum + sumOver(gram, batch) / size ** 2, 0)
  const ofExamples = (own - all.length * whole) / (all.length - 1)
  const ofMeans = (means - count * whole) / (count - 1)
  return ofExamples > 0 ? (size * ofMeans) / ofExamples : Number.NaN
}

/**
 * ‖Σ g‖ / Σ‖g‖ of each batch, averaged: about 1/√B for independent noise, 0 where examples cancel.
 *
 * source  audits.md section 5
 */
export function cancellationRatio(gram: Gram, batches: readonly (readonly number[])[]): number {
  const ratios = batches.map((batch) => {
    const lengths = batch.reduce((sum, i) => sum + Math.sqrt(Math.max(0, gram.data[i * gram.n + i]!)), 0)
    return lengths > 0 ? Math.sqrt(Math.max(0, sumOver(gram, batch))) / lengths : 0
  })
  return ratios.reduce((sum, x) => sum + x, 0) / ratios.length
}

function sumOver({ n, data }: Gram, places: readonly number[]): number {
  let sum = 0
  for (const i of places) for (const j of places) sum += data[i * n + j]!
  return sum
}

/** A variance ratio beside what it is when examples change places. */
export interface AgainstNull {
  readonly ratio: number
  /** The middle of the null. */
  readonly null: number
  /** How many standard deviations of the null it lies below, both in cube roots, which makes a variance nearly normal. */
  readonly below: number
  /** The most that `below` could be: a ratio of 0. */
  readonly most: number
}

/**
 * Compares a variance ratio with those of the same examples dealt out to batches anew.
 *
 * shape   redeal: as many batches of the same sizes, for the number of a draw
 * source  Wilson and Hilferty 1931, PNAS 17:684, for the cube root
 */
export function againstNull(
  gram: Gram,
  batches: readonly (readonly number[])[],
  redeal: (draw: number) => readonly (readonly number[])[],
  draws = 200,
): AgainstNull {
  const ratio = varianceRatio(gram, batches)
  const roots = Array.from({ length: draws }, (_, draw) => Math.cbrt(varianceRatio(gram, redeal(draw)))).toSorted((a, b) => a - b)
  const mean = roots.reduce((sum, x) => sum + x, 0) / draws
  const sd = Math.sqrt(roots.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (draws - 1))
  // Where every dealing gives the same, nothing can be told.
  const far = (root: number) => (sd > 1e-9 * Math.abs(mean) ? (mean - root) / sd : 0)
  return { ratio, null: roots[draws >> 1]! ** 3, below: far(Math.cbrt(ratio)), most: far(0) }
}

/** How examples may be dealt out anew. */
export interface Dealing {
  readonly seed: number
  /** Only examples of one class change places. */
  readonly classOf?: (example: number) => string
  /** What lies side by side and is of one group moves as one. */
  readonly groupOf?: (example: number) => string
}

/**
 * Deals the examples of each epoch out to the places of its batches, for the number of a draw.
 *
 * shape   epochs: of each its batches
 */
export function dealing(
  epochs: readonly (readonly (readonly number[])[])[],
  { seed, classOf, groupOf }: Dealing,
): (draw: number) => readonly (readonly number[])[] {
  const dealers = epochs.map((batches, epoch) => {
    const groups = sideBySide(batches.flat(), groupOf)
    const places = new Map<string, number[]>()
    groups.forEach(([first], i) => {
      const kind = classOf?.(first!) ?? ''
      places.set(kind, [...(places.get(kind) ?? []), i])
    })
    return (draw: number) => {
      const order = groups.map((_, i) => i)
      for (const [kind, own] of places) {
        const shuffled = random(seed, `audit/dealing/${kind}/${epoch}/${draw}`).shuffled(own)
        own.forEach((place, k) => void (order[place] = shuffled[k]!))
      }
      const dealt = order.flatMap((i) => groups[i]!)
      let from = 0
      return batches.map(({ length }) => dealt.slice(from, (from += length)))
    }
  })
  return (draw) => dealers.flatMap((deal) => deal(draw))
}

function sideBySide(examples: readonly number[], groupOf: ((example: number) => string) | undefined): number[][] {
  if (!groupOf) return examples.map((example) => [example])
  const groups: number[][] = []
  examples.forEach((example, i) => {
    if (i > 0 && groupOf(example) === groupOf(examples[i - 1]!)) groups.at(-1)!.push(example)
    else groups.push([example])
  })
  return groups
}
