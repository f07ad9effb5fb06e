import { broadcastTo, constant, linear, reshape, type Shape, slice, type Tensor, takeRows, tensor, type Value } from '../graph/index.ts'
import { capped } from '../models/capped.ts'
import type { DecoderConfig } from '../models/index.ts'
import { type Edit, edited, type Feeds, type Model, over, type See, type Seen, type Site } from '../policy/index.ts'
import { batchesOf, ofRun, sizeOfRow } from './given-runs.ts'

/**
 * A run of a text in which values at some taps are partly those of another run: value = own·(1 − mask) + other·mask.
 *
 * shape   tokens [T]; masks by tap, f32[T], of heads f32[heads · T]; a tap without a mask is left alone
 */
export interface MaskedRun {
  readonly tokens: readonly number[]
  readonly masks: Readonly<Record<string, Float32Array>>
  /** What goes in at a tap in this run, where it is not the same in all; at the same taps in every run. */
  readonly others?: Readonly<Record<string, Tensor>>
}

/** Runs that differ in nothing but tokens and masks, so that they share programs. */
export interface MaskedRuns {
  readonly runs: readonly MaskedRun[]
  /** What goes in at a tap, f32[T, d], of heads f32[heads, T, headDim]. */
  readonly others: Readonly<Record<string, Tensor>>
  /** The tokens whose logits are compared at the last position. */
  readonly answers: readonly [answer: number, wrong: number]
  /**
   * The run begins at this block, on the residual stream given, f32[T, d]: what comes before is not computed. All runs then share it.
   */
  readonly from?: { readonly block: number; readonly stream: Tensor }
  readonly onRuns?: (done: number) => void
  readonly signal?: AbortSignal
}

/**
 * The logit difference of two answers at the last position, for every run, nats.
 *
 * limits  all runs have as many tokens
 */
export async function logitDifferences(model: Model, how: MaskedRuns): Promise<Float64Array> {
  const { runs, others, answers, from, signal, onRuns } = how
  const T = runs[0]?.tokens.length ?? 0
  const shared = Object.keys(others)
  const own = Object.keys(runs[0]?.others ?? {})
  const begin = from && from.block > 0 ? { at: `blocks.${from.block - 1}.out`, feeds: () => ({ stream: from.stream }) } : undefined
  const started = begin ? edited(model.policy, startEdit, begin) : model.policy
  const found: number[] = []
  for (const batch of batchesOf(runs, T)) {
    signal?.throwIfAborted()
    const feedsOf = (taps: readonly string[]) => () => fedAt(taps, batch.filled, others)
    const sharing = shared.length > 0 ? edited(started, maskEdit, { at: shared, feeds: feedsOf(shared) }) : started
    const policy = own.length > 0 ? edited(sharing, ownMaskEdit, { at: own, feeds: feedsOf(own) }) : sharing
    const trees = batch.filled.map(({ tokens }) => ({ prompt: tokens, completions: [] }))
    const packing = { lengths: [T], tokenBudget: trees.length * T, wantedMultiple: 1 }
    const { m } = await over(policy, trees, logitDifferenceOf(model.config), { per: 'tree', packing, feeds: answerFeeds(answers, T) })
    for (let r = 0; r < batch.own.length; r++) found.push(m!.data[r]!)
    onRuns?.(batch.own.length)
  }
  return Float64Array.from(found)
}

function fedAt(taps: readonly string[], runs: readonly MaskedRun[], others: MaskedRuns['others']): Record<string, Tensor> {
  const fed: Record<string, Tensor> = {}
  for (const tap of taps) {
    const { shape } = others[tap] ?? runs[0]!.others![tap]!
    fed[`mask.${tap}`] = stacked(runs, ({ masks }) => masks[tap], shape.slice(0, -1))
    fed[`other.${tap}`] = others[tap] ?? stacked(runs, (run) => run.others![tap]!.data, shape)
  }
  return fed
}

/** Numbers of each run, one run after the other, 0 where it has none. shape f32[runs, size] */
function stacked(runs: readonly MaskedRun[], of: (run: MaskedRun) => ArrayLike<number> | undefined, shape: Shape): Tensor {
  const size = shape.reduce((product, n) => product * n, 1)
  const all = new Float32Array(runs.length * size)
  for (const [r, run] of runs.entries()) all.set(of(run) ?? [], r * size)
  return tensor(all, [runs.length, size])
}

/** Begins a run on a residual stream that is fed. */
const startEdit: Edit = (_, x, at) => broadcastTo(at.input('stream', x.shape.slice(1)), x.shape)

/** Mixes what is fed for all runs into a value. */
const maskEdit: Edit = (name, x, at) => mixed(name, x, at, at.input(`other.${name}`, x.shape.slice(1)))

/** Mixes what is fed for each run into a value. */
const ownMaskEdit: Edit = (name, x, at) =>
  mixed(name, x, at, ofRun(at.input(`other.${name}`, [x.shape[0]!, sizeOfRow(x.shape)]), x.shape, at))

/** A run's mask is the same for all numbers at a position: [R, T, 1], of heads [R, heads, T, 1]. */
function mixed(name: string, x: Value, at: Pick<Site, 'text' | 'input'>, other: Value): Value {
  const shape = x.shape.with(-1, 1)
  const mask = ofRun(at.input(`mask.${name}`, [shape[0]!, sizeOfRow(shape)]), shape, at)
  return x.mul(constant(1).sub(mask)).add(other.mul(mask))
}

/** What logitDifference reads. */
export function answerFeeds(answers: readonly [number, number], T: number): Feeds {
  const fed = { answers: tensor(Int32Array.from(answers), [2]), last: lastOf(T) }
  return () => fed
}

function lastOf(T: number): Tensor {
  return tensor(
    Float32Array.from({ length: T }, (_, t) => (t === T - 1 ? 1 : 0)),
    [T],
  )
}

/** The logit difference of each text of T tokens, as a function of its activations. */
export function logitDifferenceOf(config: DecoderConfig): See {
  const logitDifference: See = (seen) => ({ m: differenceOf(seen, config) })
  const known = differences.get(config) ?? logitDifference
  differences.set(config, known)
  return known
}
const differences = new WeakMap<DecoderConfig, See>()

/** logit(answer) − logit(wrong) at the last position of each text. shape f32[trees, 1] */
export function differenceOf({ tap, params, input, positions, perTree }: Seen, { logitCap }: Pick<DecoderConfig, 'logitCap'>): Value {
  const [R, T] = positions.shape as [number, number]
  const rows = takeRows(params.head ?? params.embed, input('answers', [2], 'i32'))
  const scores = capped(linear(tap('final'), rows), logitCap)
  const last = reshape(takeRows(input('last', [T]), positions), [R, T, 1])
  return perTree(
    slice(scores, 2, 0, 1)
      .sub(slice(scores, 2, 1, 2))
      .mul(last),
  )
}
