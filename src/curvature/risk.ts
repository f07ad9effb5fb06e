import { type Tensor, UserError, type Value } from '../graph/index.ts'
import type { DecoderParams } from '../models/index.ts'
import { type Batch, type Policy, packTrees, type Tree } from '../policy/index.ts'

/** A loss of each tree of a data set: what gradients, Hessian-vector products and influence are quantities of. */
export interface Risk {
  readonly policy: Policy
  /** The data. A function is asked once for every pass, and must give the same trees each time. */
  readonly trees: readonly Tree[] | (() => readonly Tree[])
  /** f32[trees]: one number for each tree of a batch, whatever else is in the batch. */
  readonly loss: (seen: SeenTrees) => Value
  /** Which parameters, by name (`params.blocks.0.attn.q`, `lora.blocks.0.attn.q.a`). Default: the adapters where there are any, else all. */
  readonly wrt?: (name: string) => boolean
  /** Whether the risk is the mean or the sum of the losses. */
  readonly reduce: 'mean' | 'sum'
  /** Measure although a gradient mark (a stop, a straight-through, a declared gradient) lies between the loss and the parameters. */
  readonly marks?: 'allow'
  /** The most input positions of one batch. Default 1024. */
  readonly tokenBudget?: number
  /** Two passes have been compared, by `checked`; a quantity compares none again. */
  readonly passes?: 'checked'
}

/** A batch of trees as a loss sees it, traced. */
export interface SeenTrees {
  /** How many trees the batch has. */
  readonly trees: number
  /** f32[completions], nats: the log-probability of each completion, in the order of trees and completions. */
  readonly logps: Value
  /** i32[R, T] */
  readonly tokens: Value
  /** f32[R, T]: 1 where there is a token. */
  readonly real: Value
  readonly params: DecoderParams<Value>
  /** The value at a tap, [R, T, …]; of heads [R, heads, T, …]. */
  tap(name: string): Value
  /** Sums what belongs to each tree: f32[completions], f32[R, T] or f32[R, T, 1] → f32[trees]. Padding belongs to none. */
  perTree(x: Value): Value
}

/** What a quantity was taken over, and how; stated with every result. */
export interface RiskValue {
  /** The risk itself. */
  readonly risk: number
  readonly trees: number
  readonly reduce: Risk['reduce']
  /** The gradient marks between the loss and the parameters, where they were allowed: at each the chain rule does not hold. */
  readonly marks: readonly string[]
}

/** Numbers by the name of the parameter they belong to, shaped like it; sums over batches are taken in f64. */
export type ByParameter = Readonly<Record<string, Tensor>>

/**
 * The trees of a pass.
 *
 * throws  UserError when there are none
 */
export function treesOf({ trees }: Pick<Risk, 'trees'>): readonly Tree[] {
  const all = typeof trees === 'function' ? trees() : trees
  if (all.length > 0) return all
  throw new UserError('risk: trees must hold at least one tree, got none; give the data that the quantity is taken over')
}

/** The batches of a pass over trees. */
export function batchesOf({ policy, tokenBudget = 1024 }: Risk, trees: readonly Tree[]): Batch[] {
  // A tree is longer than what is usual only where it must be.
  const longest = trees.reduce((most, { prompt, completions }) => Math.max(most, prompt.length + completions.flat().length), 0)
  return packTrees(trees, {
    contextLength: policy.config.contextLength,
    tokenBudget: Math.max(tokenBudget, 64 * Math.ceil(longest / 64)),
    whole: true,
    tight: true,
  })
}

/** What one tree, or a batch of them, weighs in the risk. */
export function weightOf({ reduce }: Pick<Risk, 'reduce'>, trees: number): number {
  return reduce === 'mean' ? 1 / trees : 1
}

/** Which parameters are trained: the adapters where there are any, else all. */
export function trained({ adapters }: Risk['policy']): (name: string) => boolean {
  return (name) => !adapters || name.startsWith('lora.')
}
