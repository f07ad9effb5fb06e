import { mean, UserError, type Value } from '../graph/index.ts'
import type { LabelledSide, RewardedSide, Side } from './side.ts'

/** What a loss can read of the inside of the policy, whatever its objective. */
export interface Inside {
  /** A value inside the policy by its tap's name, such as `blocks.3.mlp.out`; throws UserError listing the names when it has no such tap. */
  readonly tap: (name: string) => Value
}

/**
 * What a custom loss can read. Only what it reads becomes part of the step.
 *
 * units   log-probabilities, log-ratios and margins in nats, summed over the tokens of a completion
 */
export interface LossTerms extends Inside {
  /** The objective's loss: the mean of `losses` (of tokens, over those that are there), f32[]. */
  readonly objective: Value
  /** The objective's loss of each pair (its soft label applied), of each completion, or of each token (0 at padding), f32[n]. */
  readonly losses: Value
  /** The better completion of each pair: logp, reference, logRatio, length, each f32[pairs]. */
  readonly chosen: Side
  readonly rejected: Side
  /** Chosen minus rejected log-ratio, not multiplied by β, f32[pairs]. */
  readonly margin: Value
  /** Probability that the chosen side is the better one, f32[pairs]. */
  readonly softLabels: Value
  /** For objectives of single completions: the completions and their labels, each f32[n]. */
  readonly completion: LabelledSide
  /** For groups with rewards: all completions with their rewards, each f32[n]. */
  readonly rewarded: RewardedSide
  /**
   * ½·(log-ratio)², averaged over all completions of the batch, f32[]. For completions drawn from the policy its gradient is that of
   * KL(policy ‖ reference), and its value close to it while both are small (the k2 estimator). For completions from elsewhere, as in
   * most preference data, it is a pull of every log-ratio to 0, not a KL; acceptance measures the KL on fresh samples.
   */
  readonly kl: Value
}

/** The terms that not every kind has. */
export type OwnTerms = Omit<LossTerms, keyof Inside>

const names = [
  'objective',
  'losses',
  'chosen',
  'rejected',
  'margin',
  'softLabels',
  'completion',
  'rewarded',
  'kl',
] as const satisfies (keyof OwnTerms)[]

/**
 * The terms of a kind, each made when it is first read; those it does not have say so.
 *
 * throws  UserError on reading a term that the kind does not have; `remedy` says which ones it has
 */
export function lossTerms(
  owner: string,
  inside: Inside,
  own: { readonly [Name in keyof OwnTerms]?: (terms: LossTerms) => OwnTerms[Name] },
  remedy: string,
): LossTerms {
  const made = new Map<string, unknown>()
  const terms = { ...inside }
  for (const name of names) {
    const get = () => {
      const make = own[name]
      if (!make) throw new UserError(`loss.${name}: must be a term of the objective, got ${owner}, which has none; ${remedy}`)
      if (!made.has(name)) made.set(name, make(terms as LossTerms))
      return made.get(name)
    }
    Object.defineProperty(terms, name, { get, enumerable: true })
  }
  return terms as LossTerms
}

/** The mean of ½·(log-ratio)². */
export function halfSquare(logRatio: Value): Value {
  return mean(logRatio.mul(logRatio)).mul(0.5)
}
