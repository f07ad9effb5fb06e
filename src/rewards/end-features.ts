import { UserError } from '../graph/index.ts'
import { over, type Policy, type See } from '../policy/index.ts'

/** What the head of a reward model reads of texts: the state at the last token of each, after the last norm. Rows lie one after the other. */
export interface Features {
  readonly count: number
  readonly width: number
  readonly data: Float32Array
}

/**
 * Reads texts to their ends.
 *
 * shape   one row of hiddenSize numbers a text
 * throws  UserError for a text without a token, and as over
 */
export async function endFeatures(
  policy: Policy,
  texts: readonly (readonly number[])[],
  options: { readonly signal?: AbortSignal | undefined; readonly onBatch?: (done: number, of: number) => void } = {},
): Promise<Features> {
  const { signal, onBatch } = options
  const bare = texts.findIndex(({ length }) => length === 0)
  if (bare >= 0) throw new UserError(`reward: text ${bare} must have a token, got none; leave empty texts out`)
  const width = policy.config.hiddenSize
  const trees = texts.map((prompt) => ({ prompt, completions: [[]] }))
  const { state } = await over(policy, trees, atEnd, {
    per: 'last',
    ...(signal ? { signal } : {}),
    ...(onBatch ? { onBatch } : {}),
  })
  return { count: texts.length, width, data: (state?.data ?? new Float32Array(0)) as Float32Array }
}

const atEnd: See = ({ tap }) => ({ state: tap('final') })

/** Row i less a centre. */
export function lessCenter({ data, width }: Features, i: number, center: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: width }, (_, k) => data[i * width + k]! - center[k]!)
}

/** The mean of all rows. */
export function centerOf({ data, width, count }: Features): Float64Array {
  const center = new Float64Array(width)
  for (let i = 0; i < count; i++) for (let k = 0; k < width; k++) center[k]! += data[i * width + k]! / count
  return center
}

/** Row i less row j. */
export function difference({ data, width }: Features, i: number, j: number): Float64Array {
  return Float64Array.from({ length: width }, (_, k) => data[i * width + k]! - data[j * width + k]!)
}

/** What a head makes of each row. */
export function scoresOf({ count, width, data }: Features, head: ArrayLike<number>): number[] {
  return Array.from({ length: count }, (_, i) => {
    let score = 0
    for (let k = 0; k < width; k++) score += data[i * width + k]! * head[k]!
    return score
  })
}
