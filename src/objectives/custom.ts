import { createHash } from 'node:crypto'
import { concat, isValue, mean, ShapeError, show, sum, UserError, type Value } from '../graph/index.ts'
import { type Example, type ExampleObjective, type PairObjective, pairLosses, type TokenObjective } from './objective.ts'
import type { Side, Sides } from './side.ts'

/**
 * What a custom loss can read. Only what it reads becomes part of the step.
 *
 * units   log-probabilities, log-ratios and margins in nats, summed over the tokens of a completion
 */
export interface Terms {
  /** The objective's loss: the mean of `losses` (of tokens, over those that are there), f32[]. */
  readonly objective: Value
  /** The objective's loss of each pair (its soft label applied), of each labelled completion, or of each token (0 at padding), f32[n]. */
  readonly losses: Value
  /** The better completion of each pair: logp, reference, logRatio, length, each f32[pairs]. */
  readonly chosen: Side
  readonly rejected: Side
  /** Chosen minus rejected log-ratio, not multiplied by β, f32[pairs]. */
  readonly margin: Value
  /** Probability that the chosen side is the better one, f32[pairs]. */
  readonly softLabels: Value
  /** For objectives of single completions: the completions and their labels, each f32[n]. */
  readonly completion: Example
  /**
   * ½·(log-ratio)², averaged over all completions of the batch, f32[]. For completions drawn from the policy its gradient is that of
   * KL(policy ‖ reference), and its value close to it while both are small (the k2 estimator). For completions from elsewhere, as in
   * most preference data, it is a pull of every log-ratio to 0, not a KL; acceptance measures the KL on fresh samples.
   */
  readonly kl: Value
  /** A value inside the policy by its tap's name, such as `blocks.3.mlp.out`; throws UserError listing the names when it has no such tap. */
  readonly tap: (name: string) => Value
}

/**
 * A loss of one's own: a plain function from terms to a scalar, traced once and differentiated like everything else.
 *
 * limits  Under accumulation it is applied to each micro-batch, and the gradients are averaged by number of pairs. That equals the big
 *         batch for losses that are means over pairs, and not for others (a variance, a maximum, a product of two means).
 */
export type CustomLoss = (terms: Terms) => Value

export type Taps = ReadonlyMap<string, Value>

/** The terms of a batch of pairs. */
export function pairTerms(objective: PairObjective, sides: Sides, softLabels: Value, taps: Taps): Terms {
  const { chosen, rejected } = sides
  const losses = once(() => pairLosses(objective, sides, softLabels))
  const missing = absent(objective, 'a pair has `chosen` and `rejected`')
  return {
    ...sides,
    softLabels,
    tap: among(taps),
    get losses() {
      return losses()
    },
    get objective() {
      return mean(losses())
    },
    get margin() {
      return chosen.logRatio.sub(rejected.logRatio)
    },
    get kl() {
      return drift(concat([chosen.logRatio, rejected.logRatio], 0))
    },
    get completion() {
      return missing('completion')
    },
  }
}

/** The terms of a batch of labelled completions. */
export function exampleTerms(objective: ExampleObjective, completion: Example, z0: Value, taps: Taps): Terms {
  const losses = once(() => objective.perExample(completion, z0))
  const missing = absent(objective, 'labelled completions have `completion`')
  return {
    completion,
    tap: among(taps),
    get losses() {
      return losses()
    },
    get objective() {
      return mean(losses())
    },
    get kl() {
      return drift(completion.logRatio)
    },
    get chosen() {
      return missing('chosen')
    },
    get rejected() {
      return missing('rejected')
    },
    get margin() {
      return missing('margin')
    },
    get softLabels() {
      return missing('softLabels')
    },
  }
}

/** The terms of a batch of tokens, of which `weights` says 1 for those that are there and 0 for padding. */
export function tokenTerms(objective: TokenObjective, logp: Value, weights: Value, taps: Taps): Terms {
  const losses = once(() => objective.perToken(logp).mul(weights))
  const missing = absent(objective, 'texts have `objective`, `losses` and `tap`')
  return {
    tap: among(taps),
    get losses() {
      return losses()
    },
    get objective() {
      return sum(losses()).div(sum(weights))
    },
    get kl() {
      return missing('kl')
    },
    get completion() {
      return missing('completion')
    },
    get chosen() {
      return missing('chosen')
    },
    get rejected() {
      return missing('rejected')
    },
    get margin() {
      return missing('margin')
    },
    get softLabels() {
      return missing('softLabels')
    },
  }
}

/**
 * Traces a custom loss.
 *
 * shape   → f32[]
 * throws  UserError when it returns anything but a scalar Value, or throws; ShapeError when its shapes do not fit
 */
export function traceLoss(loss: CustomLoss, terms: Terms): Value {
  const value: unknown = called(loss, terms)
  if (!isValue(value)) throw new UserError(`loss: must return a Value, got ${kindOf(value)}; build it from the terms with add, mul, mean …`)
  if (value.dtype !== 'f32' || value.shape.length > 0)
    throw new UserError(`loss: must return a scalar f32[], got ${show(value)}; end with mean(…) or sum(…)`)
  return value
}

/**
 * A custom loss as the manifest keeps it: its text, and the sha256 of it.
 *
 * limits  the text is what JavaScript runs, after any loader or bundler; variables from outside the function are not in it
 */
export function lossText(loss: CustomLoss): { text: string; sha256: string } {
  const text = loss.toString()
  return { text, sha256: createHash('sha256').update(text).digest('hex') }
}

function called(loss: CustomLoss, terms: Terms): unknown {
  try {
    return loss(terms)
  } catch (cause) {
    if (cause instanceof UserError || cause instanceof ShapeError) throw cause
    throw new UserError(`loss: must return a Value, but it threw ${cause}; mend the function`, { cause })
  }
}

function once(make: () => Value): () => Value {
  let made: Value | undefined
  return () => (made ??= make())
}

/** The mean of ½·(log-ratio)². */
function drift(logRatio: Value): Value {
  return mean(logRatio.mul(logRatio)).mul(0.5)
}

function among(taps: Taps): (name: string) => Value {
  return (name) => {
    const value = taps.get(name)
    if (value) return value
    throw new UserError(`loss.tap: must name a tap of the model, got ${JSON.stringify(name)}; choose from ${[...taps.keys()].join(', ')}`)
  }
}

function absent({ name }: { name: string }, remedy: string): (term: string) => never {
  return (term) => {
    throw new UserError(`loss.${term}: must be a term of the objective, got ${name}, which has none; ${remedy}`)
  }
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : `${typeof value} ${value}`
}
