import { demand, input, reshape, show, slice, type Tensor, tensor, type Value } from '../graph/index.ts'
import type { Example, Scored } from './objective.ts'

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
  /** log π of each token of the completion, 0 after the last. shape f32[n, T], T at least the longest; nats */
  readonly tokenLogps: Value
}

/** The two completions of each pair. */
export interface Sides {
  readonly chosen: Side
  readonly rejected: Side
}

/** A batch of completions, each with the probability that it is desirable, f32[n]. */
export interface LabelledSide extends Side {
  readonly label: Value
}

/** A batch of completions, each with its reward and the mean reward of the others of its prompt, f32[n]. */
export interface RewardedSide extends Side {
  readonly reward: Value
  readonly others: Value
}

/** What a side is made from. */
export interface SideParts {
  readonly logp: Value
  readonly reference?: Value | undefined
  readonly length: Value
  readonly tokenLogps?: () => Value
}

/**
 * Makes a side from log-probabilities; the reference may be left out where the objective does not need it.
 *
 * throws  ShapeError when they are not all f32[n], and when what was left out is read
 */
export function side({ logp, reference, length, tokenLogps }: SideParts): Side {
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
  const made = {
    logp,
    length,
    get reference() {
      return there(reference)
    },
    get logRatio() {
      return there(logRatio)
    },
  }
  // Read only where it is asked for by name, since it costs inputs.
  return Object.defineProperty(made, 'tokenLogps', {
    get() {
      demand(tokenLogps !== undefined, () => `side.tokenLogps: must be there to be read, got logp ${show(logp)} alone`)
      return tokenLogps()
    },
  }) as Side
}

/** What the sides of a micro-batch are made of, beside log π. shape f32[slots] each */
export function sideInputs(slots: number): { readonly reference: Value; readonly lengths: Value } {
  return { reference: input('reference', [slots]), lengths: input('lengths', [slots]) }
}

/** The tensors for them. */
export function sideTensors(examples: readonly Example[]): { readonly reference: Tensor; readonly lengths: Tensor } {
  return {
    reference: column(examples.flatMap(({ reference }) => reference)),
    lengths: column(examples.flatMap(({ tree }) => tree.completions.map(({ length }) => length))),
  }
}

/** All completions of a micro-batch, with what else is known of each. */
export function sideOf<More extends object>({ logps, inputs, bySlot }: Scored, more: More): Side & More {
  const all = side({ logp: logps, reference: inputs.reference!, length: inputs.lengths!, tokenLogps: bySlot })
  // A side's terms are read only when asked for, so they are not spread.
  return Object.defineProperties(all, Object.getOwnPropertyDescriptors(more)) as Side & More
}

/** The two completions of each pair, which lie as chosen, rejected, chosen, rejected, … */
export function sidesOf({ logps, inputs, bySlot, examples }: Scored): Sides {
  const every = (x: Value, k: number) => {
    const rest = x.shape.slice(1)
    return reshape(slice(reshape(x, [examples, 2, ...rest]), 1, k, k + 1), [examples, ...rest])
  }
  const one = (k: number) =>
    side({
      logp: every(logps, k),
      reference: every(inputs.reference!, k),
      length: every(inputs.lengths!, k),
      tokenLogps: () => every(bySlot(), k),
    })
  return { chosen: one(0), rejected: one(1) }
}

/** Numbers as a tensor f32[n]. */
export function column(values: readonly number[]): Tensor {
  return tensor(values, [values.length])
}
