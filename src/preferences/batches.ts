import { UserError } from '../graph/errors.ts'
import { random } from '../random/index.ts'

export interface Order {
  readonly seed: number
  /** Counting from 0; every epoch has an order of its own. */
  readonly epoch: number
  /** `false` keeps the order of the file. Default true. */
  readonly shuffle?: boolean
}

/** What keeps items side by side: those of one key, in their order. */
export interface Together<T> {
  readonly by?: (item: T) => string
}

/**
 * Cuts an epoch into batches of `size`; the last one may be smaller and is kept, so that every example is seen once.
 * The order depends on the seed, the epoch and the number of examples (or of keys) only: a resumed run finds it again.
 *
 * throws  UserError when size is not a whole number above 0
 */
export function batches<T>(examples: readonly T[], size: number, { seed, epoch, shuffle = true, by }: Order & Together<T>): T[][] {
  if (!Number.isInteger(size) || size < 1)
    throw new UserError(`batch: must be a whole number above 0, got ${size}; give the pairs of one step`)
  const groups = grouped(examples, by)
  const ordered = (shuffle ? random(seed, `order/${epoch}`).shuffled(groups) : groups).flat()
  return Array.from({ length: Math.ceil(ordered.length / size) }, (_, b) => ordered.slice(b * size, (b + 1) * size))
}

function grouped<T>(items: readonly T[], by: ((item: T) => string) | undefined): T[][] {
  if (!by) return items.map((item) => [item])
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const key = by(item)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return [...groups.values()]
}
