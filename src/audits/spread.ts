import type { Example } from '../objectives/index.ts'
import { random } from '../random/index.ts'
import { planSteps } from '../train/plan.ts'
import type { AuditOptions } from './audit.ts'
import { openExampleGradients } from './example-gradients.ts'
import type { AuditTarget } from './target.ts'
import { settings } from './thresholds.ts'
import { type AgainstNull, againstNull, cancellationRatio, dealing, gramOf } from './variance-ratio.ts'

/** How the gradients of batches spread, beside those of examples, of one tensor. */
export interface Spread {
  /** Against examples dealt out anew by the sampler. */
  readonly free: AgainstNull
  /** The same within the classes that a sampler may balance: those of the examples, or of the direction in which gradients differ most. */
  readonly matched: () => AgainstNull
  readonly cancellation: number
  readonly batches: number
  readonly size: number
  /** Every batch is all of the data. */
  readonly whole?: boolean
}

const nothing = { free: { ratio: 0, null: 0, below: 0, most: 0 }, matched: () => nothing.free, cancellation: 0 }

/**
 * The variance ratio of the batches as they are planned, by tensor, against the permutation null of the same sampler.
 *
 * limits  gradients at the parameters as they are; of a large tensor a sketch of inner products, off by some percent
 */
export async function spreads(target: AuditTarget, { seed, signal }: AuditOptions): Promise<ReadonlyMap<string, Spread>> {
  const { tensors, training } = target
  const epochs = epochsOf(target, seed)
  const examples = [...new Set(epochs.flat(2))]
  const place = new Map(examples.map((example, i) => [example, i]))
  const placed = epochs.map((batches) => batches.map((now) => now.map((example) => place.get(example)!)))
  const batches = placed.flat()
  if (batches.length < 2 || training.batch >= training.examples.length)
    return new Map(tensors.map(({ name }) => [name, { ...nothing, whole: training.batch >= training.examples.length, batches: batches.length, size: training.batch }])) // biome-ignore format: one line
  const sketches = new Map(
    tensors.map(({ input, size: entries }) => [input, { rows: [] as Float64Array[], sketch: sketchOf(entries, seed) }]),
  )
  const gradients = await openExampleGradients(target, epochs[0]![0]!)
  try {
    for (const example of examples) {
      signal?.throwIfAborted()
      const gradient = await gradients.of([example])
      for (const [input, { rows, sketch }] of sketches) rows.push(sketch(gradient[input]!.data))
    }
  } finally {
    await gradients.close()
  }
  const groupOf = (i: number) => examples[i]!.tree.prompt.join()
  const dealt = { seed, ...(training.together ? { groupOf } : {}) }
  return new Map(
    tensors.map(({ name, input }) => {
      const { rows } = sketches.get(input)!
      const gram = gramOf(rows)
      const classes = classesOf(examples, rows)
      return [
        name,
        {
          free: againstNull(gram, batches, dealing(placed, dealt)),
          matched: () => againstNull(gram, batches, dealing(placed, { seed, classOf: (i) => classes[i]! })),
          cancellation: cancellationRatio(gram, batches),
          batches: batches.length,
          size: batches[0]!.length,
        },
      ]
    }),
  )
}

/**
 * Whole batches by epoch, in which no example comes twice. Where the order is drawn they are of the plan, and of other draws where there are
 * few. In the order of a file one epoch is as the next: only the first counts, and all of it, since it is there before any step.
 */
function epochsOf({ plan, training, redraw }: AuditTarget, seed: number): (readonly (readonly Example[])[])[] {
  const drawn = training.shuffle !== false
  // What no audited step takes may not have been scored by the reference.
  const isScored = ({ reference, tree }: Example) =>
    !training.objective.needs.includes('reference') || reference.length === tree.completions.length
  const seen = new Set<Example>()
  const epochs: (readonly Example[])[][] = []
  const fits = (now: readonly Example[]) =>
    now.length === training.batch &&
    epochs.flat().length < settings.mostBatches &&
    now.every(isScored) &&
    (now.every((example) => seen.has(example)) || seen.size + now.length <= settings.mostExamples)
  const take = (batches: readonly (readonly Example[])[]) => {
    let own: (readonly Example[])[] | undefined
    for (const now of batches) {
      if (!fits(now)) continue
      if (!own || now.some((example) => own!.flat().includes(example))) {
        if (own && !drawn) return
        own = []
        epochs.push(own)
      }
      for (const example of now) seen.add(example)
      own.push(now)
    }
  }
  take(drawn ? plan : planSteps(training).plan)
  for (let draw = 1; drawn && draw <= settings.mostBatches; draw++) take(redraw(seed + draw))
  return epochs
}

/** Of a few entries they themselves, else sums with random signs, by which inner products are kept on average. */
function sketchOf(entries: number, seed: number): (data: ArrayLike<number>) => Float64Array {
  const { sketch } = settings
  if (entries <= 4 * sketch) return (data) => Float64Array.from(data)
  const drawn = random(seed, `audit/sketch/${entries}`).integers(entries, 2 * sketch)
  return (data) => {
    const sums = new Float64Array(sketch)
    for (let i = 0; i < entries; i++) sums[drawn[i]! >> 1]! += (drawn[i]! & 1) === 1 ? data[i]! : -data[i]!
    return sums
  }
}

/** What a sampler may balance: labels where they differ, else the side along the direction in which gradients differ most. */
function classesOf(examples: readonly Example[], rows: readonly Float64Array[]): string[] {
  const labels = examples.map(({ label, gap }) => (gap ? 'gap' : label >= 0.5 ? 'better' : 'worse'))
  if (new Set(labels).size > 1) return labels
  const width = rows[0]!.length
  const mean = Float64Array.from({ length: width }, (_, k) => rows.reduce((sum, row) => sum + row[k]!, 0) / rows.length)
  const centred = rows.map((row) => row.map((x, k) => x - mean[k]!))
  let direction = centred.reduce((most, row) => (lengthOf(row) > lengthOf(most) ? row : most))
  for (let pass = 0; pass < 20; pass++) {
    const next = new Float64Array(width)
    for (const row of centred) {
      const along = dot(row, direction)
      for (let k = 0; k < width; k++) next[k]! += along * row[k]!
    }
    const length = lengthOf(next)
    if (length === 0) break
    direction = next.map((x) => x / length)
  }
  return centred.map((row) => (dot(row, direction) > 0 ? 'one side' : 'the other'))
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, x, k) => sum + x * b[k]!, 0)
}

function lengthOf(a: Float64Array): number {
  return Math.sqrt(dot(a, a))
}
