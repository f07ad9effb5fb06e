import { broadcastTo, constant, linear, reshape, slice, type Tensor, takeRows, tensor, type Value } from '../graph/index.ts'
import { capped } from '../models/capped.ts'
import type { DecoderConfig } from '../models/index.ts'
import { type Edit, edited, type Feeds, type Model, over, type See, type Seen } from '../policy/index.ts'

/**
 * A run of a text in which values at some taps are partly those of another run: value = own·(1 − mask) + other·mask.
 *
 * shape   tokens [T]; masks by tap, f32[T], of heads f32[heads · T]; a tap without a mask is left alone
 */
export interface MaskedRun {
  readonly tokens: readonly number[]
  readonly masks: Readonly<Record<string, Float32Array>>
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

/** Positions that are computed at a time. */
const tokensAtOnce = 1024

/**
 * The logit difference of two answers at the last position, for every run, nats.
 *
 * limits  all runs have as many tokens
 */
export async function logitDifferences(model: Model, how: MaskedRuns): Promise<Float64Array> {
  const { runs, others, answers, from, signal, onRuns } = how
  const T = runs[0]?.tokens.length ?? 0
  const most = Math.max(1, Math.floor(tokensAtOnce / T))
  // As many runs in every batch, so that one program does.
  const batches = Math.ceil(runs.length / most)
  const R = Math.ceil(runs.length / batches)
  const taps = Object.keys(others)
  const begin = from && from.block > 0 ? { at: `blocks.${from.block - 1}.out`, feeds: () => ({ stream: from.stream }) } : undefined
  const started = begin ? edited(model.policy, startEdit, begin) : model.policy
  const found = new Float64Array(runs.length)
  for (let b = 0; b < batches; b++) {
    signal?.throwIfAborted()
    const here = runs.slice(b * R, (b + 1) * R)
    const padded = Array.from({ length: R }, (_, r) => here[r] ?? here[0]!)
    const masks = taps.map((tap) => [`mask.${tap}`, stacked(padded, tap, others[tap]!)] as const)
    const fed = { ...Object.fromEntries(masks), ...Object.fromEntries(taps.map((tap) => [`other.${tap}`, others[tap]!])) }
    const policy = taps.length > 0 ? edited(started, maskEdit, { at: taps, feeds: () => fed }) : started
    const trees = padded.map(({ tokens }) => ({ prompt: tokens, completions: [] }))
    const packing = { lengths: [T], tokenBudget: R * T, wantedMultiple: 1 }
    const { m } = await over(policy, trees, logitDifferenceOf(model.config), { per: 'tree', packing, feeds: answerFeeds(answers, T) })
    for (let r = 0; r < here.length; r++) found[b * R + r] = m!.data[r]!
    onRuns?.(here.length)
  }
  return found
}

/** One mask a run, one after the other. shape f32[runs, T or heads · T] */
function stacked(runs: readonly MaskedRun[], tap: string, { shape }: Tensor): Tensor {
  const width = shape.slice(0, -1).reduce((product, n) => product * n, 1)
  const all = new Float32Array(runs.length * width)
  for (const [r, { masks }] of runs.entries()) if (masks[tap]) all.set(masks[tap], r * width)
  return tensor(all, [runs.length, width])
}

/** Begins a run on a residual stream that is fed. */
const startEdit: Edit = (_, x, at) => broadcastTo(at.input('stream', x.shape.slice(1)), x.shape)

/** Mixes what is fed into a value. */
const maskEdit: Edit = (name, x, at) => {
  const mask = broadcastMask(name, x, at)
  return x.mul(constant(1).sub(mask)).add(at.input(`other.${name}`, x.shape.slice(1)).mul(mask))
}

/** A run's mask for every value of a tap: [R, T, 1], of heads [R, heads, T, 1]. A row holds one text. */
function broadcastMask(name: string, { shape }: Value, at: Pick<Seen, 'text' | 'input'>): Value {
  const R = shape[0]!
  const width = shape.slice(1, -1).reduce((product, n) => product * n, 1)
  const run = reshape(slice(at.text, 1, 0, 1), [R])
  return reshape(takeRows(at.input(`mask.${name}`, [R, width]), run), shape.with(-1, 1))
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
