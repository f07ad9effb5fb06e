import { gradient, graph, sum, type Tensor, tensor, UserError, type Value } from '../graph/index.ts'
import { completionLogps, tokenLogps } from '../models/head.ts'
import {
  type Batch,
  type Edit,
  edited,
  forward,
  over,
  type Policy,
  packTrees,
  reader,
  rowInputs,
  runInputs,
  shapeOf,
  treeLength,
} from '../policy/index.ts'
import { type Activations, activationsOf } from './activations.ts'

/** Texts laid out for reading next tokens: rows of activations are their tokens in order, the last of each text left out. */
export interface LaidTexts {
  readonly texts: readonly (readonly number[])[]
  readonly batches: readonly Batch[]
  /** The first row of each text. */
  readonly starts: readonly number[]
  /** How many rows. */
  readonly rows: number
}

/** Lays texts out in batches of about so many tokens. */
export function laidTexts(texts: readonly (readonly number[])[], { config }: Pick<Policy, 'config'>, tokenBudget = 512): LaidTexts {
  const trees = texts.map(treeOf)
  let rows = 0
  const starts = trees.map((tree) => (rows += treeLength(tree)) - treeLength(tree))
  return { texts, batches: packTrees(trees, { contextLength: config.contextLength, tokenBudget }), starts, rows }
}

/** The residual stream after a block at every row of texts. */
export async function streamAt(policy: Policy, layer: number, { texts }: LaidTexts, signal?: AbortSignal): Promise<Activations> {
  const tap = `blocks.${layer}.out`
  const found = await over(policy, texts.map(treeOf), reader([tap]), { per: 'token', ...(signal ? { signal } : {}) })
  return activationsOf(found[tap]!)
}

function treeOf(ids: readonly number[]) {
  return { prompt: ids.slice(0, 1), completions: [ids.slice(1)] }
}

/** Of each text the mean of −log p over its next tokens, nats. */
export async function textLosses(
  policy: Policy,
  laid: LaidTexts,
  signal?: AbortSignal,
  onBatch?: (batch: Batch) => void,
): Promise<number[]> {
  const losses = laid.texts.map(() => 0)
  for (const batch of laid.batches) {
    signal?.throwIfAborted()
    onBatch?.(batch)
    const { logps } = await runBatch(policy, batch, '')
    batch.slots.forEach((text, slot) => void (losses[text] = -logps!.data[slot]! / (laid.texts[text]!.length - 1))) // biome-ignore format: one line
  }
  return losses
}

/** What lies above a block of a model, fed with any residual stream. */
export interface Top {
  /** The loss of each text where the stream after the block is this. shape f32[rows, width] */
  losses(stream: Tensor): Promise<number[]>
  /**
   * The loss of the texts of one batch, nats per token, and its slope with respect to their rows.
   *
   * shape   stream f32[rows of the batch, width], in the order of `places`; slope the same
   */
  slope(batch: number, stream: Tensor): Promise<{ readonly loss: number; readonly slope: Float32Array }>
  /** Which rows a batch reads. */
  places(batch: number): number[]
}

/**
 * The blocks of a model above one of them, with its norm and head, as a function of the stream. What lies below is not computed.
 *
 * throws  UserError for a block that is not there
 */
export function openTop(policy: Policy, layer: number, laid: LaidTexts, signal?: AbortSignal): Top {
  const { layers, hiddenSize: d } = policy.config
  if (!(Number.isInteger(layer) && layer >= 0 && layer < layers))
    throw new UserError(`stitch: a layer must be from 0 to ${layers - 1}, got ${layer}; name a block of both models`)
  let fed: Tensor
  const top = edited(policy, putStream, { at: `blocks.${layer}.out`, feeds: () => ({ stream: fed }) })
  const places = ({ trees }: Batch) => trees.flatMap((text) => Array.from({ length: laid.texts[text]!.length - 1 }, (_, t) => laid.starts[text]! + t)) // biome-ignore format: one line
  /** Goes over the tokens of a batch: where each lies in the batch, and its place among the batch's own rows. */
  const each = ({ starts }: Batch, see: (at: number, row: number) => void) => {
    let row = 0
    for (const { at, length } of starts) for (let t = 0; t < length; t++) see(at + t, row++)
  }
  const feed = (batch: Batch, rows: ArrayLike<number>, placeOf: (row: number) => number) => {
    const { rows: R, length: T } = batch.rows
    const data = new Float32Array(R * T * d)
    each(batch, (at, row) => {
      const from = placeOf(row) * d
      for (let k = 0; k < d; k++) data[at * d + k] = rows[from + k]!
    })
    fed = tensor(data, [R, T, d])
  }
  return {
    places: (batch) => places(laid.batches[batch]!),
    losses: (stream) =>
      textLosses(top, laid, signal, (batch) => {
        const of = places(batch)
        feed(batch, stream.data, (row) => of[row]!)
      }),
    async slope(number, stream) {
      signal?.throwIfAborted()
      const batch = laid.batches[number]!
      feed(batch, stream.data, (row) => row)
      const { logps, slope } = await runBatch(top, batch, `blocks.${layer}.out`)
      const n = stream.shape[0]!
      const found = new Float32Array(n * d)
      each(batch, (at, row) => {
        for (let k = 0; k < d; k++) found[row * d + k] = slope!.data[at * d + k]! / n
      })
      return { loss: -batch.slots.reduce((total, _, slot) => total + logps!.data[slot]!, 0) / n, slope: found }
    },
  }
}

const putStream: Edit = (_, x, at) => at.input('stream', x.shape)

async function runBatch(policy: Policy, batch: Batch, slopeAt: string): Promise<Record<string, Tensor>> {
  const shape = shapeOf(batch.rows)
  const program = await policy.program(`stitch ${slopeAt} ${JSON.stringify(shape)}`, () => {
    const rows = rowInputs(shape)
    let at: Value | undefined
    const look = (name: string, x: Value) => {
      if (name === slopeAt) at = x
    }
    const { params, hidden, inputs } = forward(policy, rows, { path: 'rows', look })
    const tokens = tokenLogps(params, hidden, rows.wanted, rows.targets, policy.config)
    const logps = completionLogps(tokens, rows.completion, rows.weights, shape.completions)
    return graph({ ...inputs, ...rows }, { logps, ...(at ? { slope: gradient(sum(logps).neg(), { x: at }).x! } : {}) })
  })
  return program.run(runInputs(policy, batch))
}
