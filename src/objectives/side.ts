import { demand, show, type Value } from '../graph/index.ts'

/**
 * A batch of completions as an objective sees it.
 *
 * shape   all f32[n]
 * units   nats, summed over the completion's tokens; length in tokens
 */
export interface Side {
  /** log π(y|x) of the model being trained. */
  readonly logp: Value
  /** log π_ref(y|x), a constant of the batch. */
  readonly reference: Value
  /** log π(y|x) − log π_ref(y|x). */
  readonly logRatio: Value
  readonly length: Value
}

/** The two completions of each pair. */
export interface Sides {
  readonly chosen: Side
  readonly rejected: Side
}

/**
 * Makes a side from log-probabilities; the reference may be left out where the objective does not need it.
 *
 * throws  ShapeError when they are not all f32[n], and when a reference that was left out is read
 */
export function side({ logp, reference, length }: { logp: Value; reference?: Value | undefined; length: Value }): Side {
  for (const [name, value] of Object.entries({ logp, length, ...(reference && { reference }) }))
    demand(
      value.dtype === 'f32' && value.shape.length === 1 && value.shape[0] === logp.shape[0],
      () => `side.${name}: one f32 per completion expected, got ${show(value)} beside logp ${show(logp)}`,
    )
  const there = (value: Value | undefined): Value => {
    demand(
      value !== undefined,
      () => `side.reference: must be there to be read, got logp ${show(logp)} alone; list 'reference' in the objective's needs`,
    )
    return value
  }
  const logRatio = reference && logp.sub(reference)
  return {
    logp,
    length,
    get reference() {
      return there(reference)
    },
    get logRatio() {
      return there(logRatio)
    },
  }
}
