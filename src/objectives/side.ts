import {
  demand,
  exp,
  input,
  logSumExp,
  minimum,
  reshape,
  show,
  slice,
  step,
  stopGradient,
  sum,
  type Tensor,
  table,
  tensor,
  type Value,
} from '../graph/index.ts'
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
  /** What each adds to minus log π per token, averaged over all tokens of the batch's better completions: so its mean over pairs is that. */
  readonly nll: Value
  /** The same over prompts and completions, all tokens but a prompt's first. */
  readonly textNll: Value
  /** The log-ratio of as many first tokens as the shorter side of the pair has. */
  readonly prefixRatio: Value
  /** exp of the mean over tokens of log π − log Σ π²: how likely the policy is to say such a thing itself; a constant to every gradient. */
  readonly onPolicy: Value
}

/** The two completions of each pair. */
export interface Sides {
  readonly chosen: Side
  readonly rejected: Side
  /** By how many log-odds the better side must be ahead, where rows say so. */
  readonly margin?: Value
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
  readonly nll?: () => Value
  readonly textNll?: () => Value
  readonly prefixRatio?: () => Value
  readonly onPolicy?: () => Value
}

/**
 * Makes a side from log-probabilities; the reference may be left out where the objective does not need it. By itself a completion is all its
 * batch, without a prompt.
 *
 * throws  ShapeError when they are not all f32[n], and when what was left out is read
 */
export function side(parts: SideParts): Side {
  const { logp, reference, length } = parts
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
  const own = () => logp.div(length).neg()
  const { nll = own, textNll = nll, ...given } = parts
  const lazily = { ...given, nll, textNll }
  // Read only where they are asked for by name, since they cost inputs.
  for (const name of ['tokenLogps', 'nll', 'textNll', 'prefixRatio', 'onPolicy'] as const)
    Object.defineProperty(made, name, {
      get() {
        const make = lazily[name]
        demand(make !== undefined, () => `side.${name}: must be there to be read, got logp ${show(logp)} alone`)
        return make()
      },
    })
  return made as Side
}

/** What the sides of a micro-batch are made of, beside log π. shape f32[slots] each */
export function sideInputs(slots: number): { readonly reference: Value; readonly lengths: Value } {
  return { reference: input('reference', [slots]), lengths: input('lengths', [slots]) }
}

/** The tensors for them. */
export function sideTensors(examples: readonly Example[]): { readonly reference: Tensor; readonly lengths: Tensor } {
  return {
    reference: column(examples.flatMap(({ reference, tilt }) => (tilt ? reference.map((logp, k) => logp + tilt[k]!) : reference))),
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
export function sidesOf(scored: Scored): Sides {
  const { inputs, bySlot, examples, perSlot, tokenLogps } = scored
  const every = (x: Value, k: number) => {
    const rest = x.shape.slice(1)
    return reshape(slice(reshape(x, [examples, 2, ...rest]), 1, k, k + 1), [examples, ...rest])
  }
  // Where prompts are learned too, a slot's own log-probability is of all that was said; the completion's is that of its answer.
  const answers = inputs.answers && perSlot(tokenLogps.mul(inputs.answers))
  const share = (of: string) => (all: Value) => all.neg().mul(inputs[of]!)
  const shorter = () => minimum(every(inputs.lengths!, 0), every(inputs.lengths!, 1))
  const onPolicy = once(() => exp(stopGradient(perSlot(ownSaying(scored)).div(inputs.lengths!))))
  const one = (k: number) => {
    const [logp, text] = [every(answers ?? scored.logps, k), every(scored.logps, k)]
    return side({
      logp,
      reference: every(inputs.reference!, k),
      length: every(inputs.lengths!, k),
      tokenLogps: () => every(bySlot(), k),
      nll: () => share('tokenShare')(logp),
      ...(answers ? { textNll: () => share('textShare')(text) } : {}),
      prefixRatio: () => firstTokens(every(bySlot(), k), shorter()).sub(every(inputs.prefixes!, k)),
      onPolicy: () => every(onPolicy(), k),
    })
  }
  return { chosen: one(0), rejected: one(1) }
}

/** The sum of so many first tokens of each row. shape f32[n, T], count f32[n] → f32[n] */
function firstTokens(tokenLogps: Value, count: Value): Value {
  const [n, T] = tokenLogps.shape as [number, number]
  const place = table(
    tensor(
      Float32Array.from({ length: T }, (_, at) => at + 0.5),
      [1, T],
    ),
  )
  return reshape(sum(tokenLogps.mul(step(reshape(count, [n, 1]).sub(place))), [1]), [n])
}

/** log π − log Σ π² of each token, with the sum over the vocabulary. shape f32[tokens] */
function ownSaying({ tokenLogps, logits }: Scored): Value {
  const scores = logits.policy()
  const collision = logSumExp(scores.mul(2)).sub(logSumExp(scores).mul(2))
  return tokenLogps.sub(reshape(collision, tokenLogps.shape))
}

/** A value that is made when it is first read. */
export function once(make: () => Value): () => Value {
  let made: Value | undefined
  return () => (made ??= make())
}

/** Numbers as a tensor f32[n]. */
export function column(values: readonly number[]): Tensor {
  return tensor(values, [values.length])
}
