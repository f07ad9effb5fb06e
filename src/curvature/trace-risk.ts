import type { Resident } from '../engine/index.ts'
import {
  addRows,
  constant,
  input,
  logSumExp,
  reshape,
  show,
  sizeOf,
  slice,
  sum,
  type Tensor,
  tensor,
  UserError,
  type Value,
} from '../graph/index.ts'
import { completionLogps, type TokenScores, tokenScores } from '../models/index.ts'
import { type Batch, forward, type RowShape, rowInputs, runInputs, shapeOf, siteTensors, type Tree } from '../policy/index.ts'
import { type Risk, trained } from './risk.ts'

/** The losses of a batch as values of a graph. */
export interface TracedRisk {
  /** f32[trees] */
  readonly losses: Value
  /** f32[]: the sum of the losses. */
  readonly total: Value
  /** The parameters asked for, by name. */
  readonly wrt: Readonly<Record<string, Value>>
  readonly inputs: Readonly<Record<string, Value>>
  /** The logits that the losses' log-probabilities are of, N positions. */
  readonly scores: TokenScores
  /** f32[N]: 1 at a position that has a target, 0 at padding. */
  readonly weights: Value
  /** The logits of other targets, i32[N], at the same positions: f32[N, 1], and all of them. */
  scoresOf(targets: Value): TokenScores
}

/** What of a batch a graph depends on. */
export interface BatchSize {
  readonly rows: RowShape
  readonly trees: number
  readonly completions: number
}

/** The size of a batch. */
export function sizeOfBatch(batch: Batch): BatchSize {
  return { rows: shapeOf(batch.rows), trees: batch.trees.length, completions: batch.slots.length }
}

/**
 * Traces the losses of one batch.
 *
 * throws  UserError for losses of another shape, for a tap that is not there, and for `wrt` that names no parameter
 */
export function traceRisk(risk: Risk, size: BatchSize): TracedRisk {
  // Traced once to hear which taps the loss reads: kernels stay whole around all others.
  const read = new Set<string>()
  traceLosses(
    risk,
    size,
    () => true,
    (name) => read.add(name),
  )
  return traceLosses(risk, size, (name) => read.has(name))
}

function traceLosses(risk: Risk, size: BatchSize, asks: (name: string) => boolean, onTap?: (name: string) => void): TracedRisk {
  const { policy, loss } = risk
  const rows = rowInputs(size.rows)
  const treeOf = {
    completion: input('treeOf.completion', [size.completions], 'i32'),
    token: input('treeOf.token', rows.tokens.shape, 'i32'),
  }
  const taps = new Map<string, Value>()
  const pass = forward(policy, rows, { path: 'rows', look: (name, x) => taps.set(name, x), asks })
  const scoresOf = (targets: Value) => tokenScores(pass.params, pass.hidden, rows.wanted, targets, policy.config)
  const scores = scoresOf(rows.targets)
  const logps = reshape(scores.said.sub(logSumExp(scores.all)), rows.wanted.shape)
  const { real } = pass.site
  const losses = loss({
    trees: size.trees,
    logps: slice(completionLogps(logps, rows.completion, rows.weights, size.rows.completions), 0, 0, size.completions),
    tokens: rows.tokens,
    real,
    params: pass.params,
    tap(name) {
      onTap?.(name)
      const found = taps.get(name)
      if (found) return found
      throw new UserError(
        `risk: a tap must be one of the model's, got ${name}; they are named as ${[...taps.keys()].slice(0, 4).join(', ')}`,
      )
    },
    perTree: (x) => perTree(x, size, { ...treeOf, real }),
  })
  if (losses?.dtype !== 'f32' || losses.shape.length !== 1 || losses.shape[0] !== size.trees)
    throw new UserError(
      `risk: a loss must be f32[${size.trees}], a number for each tree, got ${losses ? show(losses) : 'nothing'}; add up what a tree has of tokens or completions with perTree()`,
    )
  const wrt = parametersOf(risk, pass.inputs)
  const total = sum(losses)
  const inputs = { ...pass.inputs, ...rows, 'treeOf.completion': treeOf.completion, 'treeOf.token': treeOf.token }
  return { losses, total, wrt, inputs, scores, weights: rows.weights, scoresOf }
}

/** The tensors that a traced risk reads of a batch, parameters included. */
export function riskInputs({ policy }: Pick<Risk, 'policy'>, batch: Batch, trees: readonly Tree[]): Record<string, Tensor | Resident> {
  const { rows: R, length: T } = batch.rows
  const token = new Int32Array(R * T)
  batch.starts.forEach(({ at, length }, i) => void token.fill(i, at, at + length))
  const completion = batch.trees.flatMap((tree, i) => trees[tree]!.completions.map(() => i))
  return {
    ...runInputs(policy, batch),
    ...siteTensors(batch),
    'treeOf.completion': tensor(completion, [completion.length], 'i32'),
    'treeOf.token': tensor(token, [R, T]),
  }
}

function parametersOf({ policy, wrt = trained(policy) }: Risk, inputs: Readonly<Record<string, Value>>) {
  const names = Object.keys(policy.given)
  const asked = names.filter((name) => name in inputs && wrt(name))
  if (asked.length > 0) return Object.fromEntries(asked.map((name) => [name, inputs[name]!]))
  throw new UserError(`risk: wrt must choose a parameter, got none of ${names.length}; they are named as ${names.slice(0, 3).join(', ')}`)
}

function perTree(x: Value, { trees, completions }: BatchSize, treeOf: { completion: Value; token: Value; real: Value }): Value {
  const zeros = constant(0, [trees])
  if (x.shape.length === 1 && x.shape[0] === completions) return addRows(zeros, treeOf.completion, x)
  if (sizeOf(x.shape) === sizeOf(treeOf.real.shape)) {
    const flat = (value: Value) => reshape(value, [sizeOf(value.shape)])
    return addRows(zeros, flat(treeOf.token), flat(x).mul(flat(treeOf.real)))
  }
  throw new UserError(
    `risk: perTree takes f32[${completions}] of completions or ${show(treeOf.real)} of tokens, got ${show(x)}; sum over the other axes first`,
  )
}
