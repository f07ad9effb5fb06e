import { tensor } from '../graph/index.ts'
import type { Example } from './objective.ts'
import { column } from './side.ts'

/** A completion beside another of its group: which one, what the two count, and the probability that the first is the better one. */
export interface Match {
  readonly against: number
  readonly share: number
  readonly label: number
}

/** The completions that others are held against, by their places among all of a micro-batch. */
export function matchTensors(examples: readonly Example[], of: (example: Example) => readonly Match[] | undefined) {
  let first = 0
  const all = examples.flatMap((example) => {
    const from = first
    first += example.tree.completions.length
    const matches = of(example) ?? example.tree.completions.map((_, k): Match => ({ against: k, share: 0, label: 1 }))
    return matches.map((match) => ({ ...match, against: from + match.against }))
  })
  return {
    against: tensor(
      Int32Array.from(all, ({ against }) => against),
      [all.length],
      'i32',
    ),
    matchShare: column(all.map(({ share }) => share)),
    better: column(all.map(({ label }) => label)),
  }
}
