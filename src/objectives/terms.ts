import { exp, logSumExp, mean, reshape, softmax, sum, UserError, type Value } from '../graph/index.ts'
import type { Scored } from './objective.ts'
import type { LabelledSide, RewardedSide, Side } from './side.ts'

/** Which tokens of an example: those that the completion's tokens are asked at (one for each), those of the prompt before them, or both. */
export type Tokens = 'completion' | 'prompt' | 'all'

/** What a loss can read of the inside of the policy, whatever its objective. */
export interface Inside {
  /**
   * A value inside the policy by its tap's name, such as `blocks.3.mlp.out`: of the whole batch, padding and all, as its rows lie.
   *
   * shape   [R, T, …]; of heads [R, heads, T, …]
   * throws  UserError listing the names when it has no such tap
   */
  readonly tap: (name: string) => Value
  /** 1 where a token of an example is asked for, 0 elsewhere, as the rows lie. shape f32[R, T] */
  readonly real: (of?: Tokens) => Value
  /**
   * A number of each example from what the policy holds at its tokens. The function is called once, with every example's tokens side by side.
   *
   * shape   the function returns f32[examples], or with further axes of 1 → f32[examples]
   * throws  ShapeError when the function returns another shape
   */
  readonly perExample: (number: (own: OwnTokens) => Value, of?: Tokens) => Value
  /** The policy's parameters by name: `embed`, `blocks.0.attn.q`; of adapters `lora.blocks.0.attn.q.a`. */
  readonly params: Readonly<Record<string, Value>>
}

/** The tokens of each example: its prompt's, then those of its completions, then padding. */
export interface OwnTokens {
  /** shape [examples, T, …]; of heads [examples, heads, T, …] */
  readonly tap: (name: string) => Value
  /** 1 where a token of the example is asked for, 0 elsewhere. shape f32[examples, T] */
  readonly real: Value
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
  /** The better completion of each pair: logp, reference, logRatio, length, each f32[pairs], and tokenLogps f32[pairs, T]. */
  readonly chosen: Side
  readonly rejected: Side
  /** Chosen minus rejected log-ratio, not multiplied by β, f32[pairs]. */
  readonly margin: Value
  /** Probability that the chosen side is the better one, f32[pairs]. */
  readonly softLabels: Value
  /** What a prior over goals says of the sides of each pair, in log-odds: constants of the batch. */
  readonly prior: PriorTerms
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
  /** The log-ratio, averaged likewise: for completions drawn from the policy an estimate of KL(policy ‖ reference) without bias, f32[] (k1). */
  readonly k1: Value
  /** exp(−log-ratio) + log-ratio − 1, averaged likewise: as k1 without bias, and never below 0, f32[] (k3). */
  readonly k3: Value
  /** How undecided the policy is at the completions' tokens: the entropy over the vocabulary, the mean over tokens, then completions, f32[], nats. */
  readonly entropy: Value
}

/**
 * What a prior over goals says of pairs: m0·φ of each side, with φ in standard deviations from the reference model's mean.
 *
 * shape   f32[pairs] each
 * units   log-odds
 */
export interface PriorTerms {
  readonly chosen: Value
  readonly rejected: Value
  /** Chosen minus rejected: the prior's own log-odds that the chosen side is the better one. */
  readonly margin: Value
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
  'prior',
  'completion',
  'rewarded',
  'kl',
  'k1',
  'k3',
  'entropy',
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

/**
 * The three estimates of KL(policy ‖ reference) from the log-ratios of completions; `average` takes the mean over them.
 *
 * source  Schulman 2020, Approximating KL divergence
 */
export function klTerms(logRatio: () => Value, average: (x: Value) => Value = mean) {
  return {
    kl: () => average(logRatio().mul(logRatio())).mul(0.5),
    k1: () => average(logRatio()),
    k3: () => average(exp(logRatio().neg()).add(logRatio()).sub(1)),
  }
}

/** The entropy of the policy's next token at each token asked for. shape f32[tokens], nats */
export function tokenEntropy({ logits, weights, entropy }: Pick<Scored, 'logits' | 'weights' | 'entropy'>): Value {
  if (entropy) return entropy()
  const scores = logits.policy()
  return reshape(logSumExp(scores).sub(sum(softmax(scores).mul(scores), [-1])), weights.shape)
}

/** Of completions, the mean over their tokens. shape f32[slots], nats */
export function slotEntropy(scored: Scored): Value {
  return scored.perSlot(tokenEntropy(scored)).div(scored.inputs.lengths!)
}
