import type { Tensor, Value } from '../graph/index.ts'
import type { Tree } from '../policy/index.ts'
import type { Params, Settings, Settled } from './params.ts'
import type { Inside, LossTerms } from './terms.ts'

/**
 * What an objective reads besides the examples themselves; `prefixes` is the reference's log-probability of the first tokens of each side, as
 * many as the shorter side has; `tokens` are log-probabilities of single tokens, by completion, `referenceTokens` the reference's, `values` a critic's.
 */
export type Need = 'policy' | 'reference' | 'length' | 'teacher' | 'tasks' | 'prefixes' | 'tokens' | 'referenceTokens' | 'values'

/** What every definition of an objective says of itself. */
export interface Described<P extends Params> {
  readonly name: string
  readonly about: string
  /** The loss of one example in one line: r a log-ratio, m the margin of two, n tokens. */
  readonly formula: string
  readonly needs: readonly Need[]
  readonly params: P
  readonly source: string
}

/** One thing to train on: a pair, a labelled completion, a text, or a group of completions with rewards. */
export interface Example {
  /** Two completions (chosen, rejected), one, or a group of any number. */
  readonly tree: Tree
  /** The reference's log-probability of each completion, in nats; empty where the objective reads none. */
  readonly reference: readonly number[]
  /** The probability that a pair's chosen side is the better one, or that a completion is desirable. Of a text or a group: 1. */
  readonly label: number
  /** Of a group: the reward of each completion. */
  readonly rewards?: readonly number[]
  /** Of a group: what the model that sampled it gave to each token of each completion, nats. */
  readonly sampled?: readonly (readonly number[])[]
  /** Of a group, where the objective needs it: the reference's log-probability of each token of each completion. */
  readonly referenceTokens?: readonly (readonly number[])[]
  /** Of a group, where the objective needs it: what a critic expects of each token's completion from there on. */
  readonly values?: readonly (readonly number[])[]
  /** Of a pair: by how many log-odds its better side must be ahead. */
  readonly margin?: number
  /** Of a completion in steps: after how many of its tokens each ends, and the probability that it is right. */
  readonly steps?: readonly { readonly end: number; readonly label: number }[]
  /** A pair whose voter has no preference, which is not a tie: its order gives no gradient. */
  readonly gap?: boolean
  /** Of a pair, where the objective needs it: the reference's log-probability of each side's first tokens, as many as the shorter side has. */
  readonly prefixes?: readonly number[]
  /** With a prior over goals: how good it takes each completion to be, m0·φ(y), in log-odds against a mean one of the reference. */
  readonly prior?: readonly number[]
  /** Nats by which a loss sees the reference's log-probability of each completion raised; the log goes on without them. */
  readonly tilt?: readonly number[]
  /** With a teacher, of each token to learn: 1 where its distribution is learned, 0 where the token itself is. Default 1. */
  readonly trust?: readonly number[]
}

/** An example before the reference has scored it. */
export type Unscored = Omit<Example, 'reference' | 'prefixes' | 'referenceTokens'>

/** What the rows of a file can be. */
export type FileForm = 'pairs' | 'labelled' | 'steps' | 'texts' | 'rollouts'

/** A loss with its parameters settled, as the trainer reads it. */
export interface Objective {
  readonly kind: Kind
  readonly name: string
  readonly params: Settled
  readonly needs: readonly Need[]
  /** Whether a step's loss is of all its examples together, so that they must fit one pass. */
  readonly whole?: boolean
  /** What its definition holds constant or chooses; audits know it. */
  readonly marks?: readonly DefinedMark[]
  /** The reference follows the policy: every so many steps it becomes alpha of the policy and the rest of itself. */
  readonly sync?: Sync
  /** What it makes of a micro-batch: its losses, and all that a custom loss can read. */
  terms(scored: Scored): LossTerms
  /** Numbers of a micro-batch that the log shows, by name: means over its examples, each f32[]. */
  logged?(scored: Scored): Readonly<Record<string, Value>>
  /** The mean loss of a step when policy = reference; undefined where there is no such value. */
  atStart(examples: readonly Example[]): number | undefined
}

/** What a loss is defined to hold constant, or to choose, where its gradient is not all of its slope. */
export interface DefinedMark {
  readonly as: 'stop' | 'choice'
  readonly reason: string
}

/** How a reference follows the policy. */
export interface Sync {
  readonly every: number
  readonly alpha: number
}

/** What objectives of one form have in common: what an example is, what a step feeds, and what its numbers are over. */
export interface Kind {
  readonly name: string
  /** Completions of an example; absent where it may have any number. */
  readonly sides?: number
  /** The files it can be trained on. */
  readonly reads: readonly FileForm[]
  /** What it trains on of a pair with its soft label, where it reads pairs. */
  readonly ofPair?: (pair: Unscored) => readonly Unscored[]
  /** Whether losses are of single tokens: then every example keeps its own, where others share what they have in common. */
  readonly perToken: boolean
  /** What scores completions is trained, not what says them: policies get a head for it, and the input `ends` says where each completion ends. */
  readonly scores?: true
  /** Whether every example is computed by itself, and its tokens lie in their order. */
  readonly alone?: boolean
  /** The fewest examples that a step can be of. */
  readonly fewest: number
  /** Says before the first step what cannot be trained on; `where` leads the error. */
  readonly check?: (examples: readonly Example[], objective: Objective) => void
  /** Completions that policy and reference score before a step, for a number that is of the whole step. */
  readonly asks?: (examples: readonly Example[]) => readonly Tree[]
  /** The tree that is computed for an example, with as many completions; its own unless told. */
  readonly treeOf?: (example: Example) => Tree
  /** Numbers that a run carries from step to step, none before the first, from those of the step before and the log-ratio of each tree of `asks`. */
  readonly carry?: (before: readonly number[], asked: readonly number[]) => readonly number[]
  /** How much of a step's mean an example is: 1, or its tokens or completions. */
  readonly weight: (example: Example) => number
  /** Its inputs in a graph of so many examples and completions. */
  readonly inputs: (size: Size) => Readonly<Record<string, Value>>
  /** Those of them that a graph has only where a loss reads them. */
  readonly whereRead?: readonly string[]
  /** Their tensors for the examples of a micro-batch; `asked` has the log-ratio of each tree of `asks`. */
  readonly given: (examples: readonly Example[], size: Size, asked: readonly number[], step: OfStep) => Readonly<Record<string, Tensor>>
  /** What the log says of a step, from the log-probability of each completion; what there is none of is left out. */
  readonly metrics: (
    examples: readonly Example[],
    logps: readonly (readonly number[])[],
    asked: readonly number[],
    carried?: readonly number[],
  ) => Readonly<Record<string, number>>
  /** Its name, in a manifest. */
  readonly toJSON: () => string
}

/** What a micro-batch has of its whole step: all examples, and the numbers carried. */
export interface OfStep {
  readonly now: readonly Example[]
  readonly carried: readonly number[]
}

/**
 * How large a micro-batch is: examples, their completions, and tokens asked for, padding included; and how wide what lies by completion is, where
 * single tokens are read.
 */
export interface Size {
  readonly examples: number
  readonly slots: number
  readonly tokens: number
  readonly longest: number
}

/** What the trainer scored of a micro-batch, for a kind to make terms of. */
export interface Scored extends Size {
  /** log π of each completion, example by example; of a reward model its score. shape f32[slots], nats */
  readonly logps: Value
  /** log π of each token asked for. shape f32[tokens], nats */
  readonly tokenLogps: Value
  /** The same by completion, 0 after the last. shape f32[slots, T] */
  readonly bySlot: () => Value
  /** Sums a number of each token by completion. shape f32[tokens] → f32[slots] */
  readonly perSlot: (ofTokens: Value) => Value
  /** 1 for tokens that are there, 0 for padding. shape f32[tokens] */
  readonly weights: Value
  /** The scores of all next tokens, by the policy and by the teacher. shape f32[tokens, vocabulary] */
  readonly logits: { readonly policy: () => Value; readonly teacher: () => Value }
  /** The entropy of each next token, where the policy's scores are computed in blocks and never held at once. shape f32[tokens], nats */
  readonly entropy?: () => Value
  /** What one unit of weight counts, so that losses times this add up to the step's mean. shape f32[] */
  readonly unit: Value
  /** The kind's own inputs. */
  readonly inputs: Readonly<Record<string, Value>>
  readonly inside: Inside
}

/** Makes an objective from its parameters; what it is stands in its definition. */
export interface Maker<P extends Params, O extends Objective, D> {
  (params?: Partial<Settings<P>>): O
  readonly definition: D
}
