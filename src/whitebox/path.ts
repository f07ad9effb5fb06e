import { type Tensor, tensor, UserError } from '../graph/index.ts'
import type { Model } from '../policy/index.ts'
import { type Contrast, type ContrastTexts, contrastOf, type Gap, shareOf } from './contrast.ts'
import { contributions, type Reader, reaches, readersOf, streamTap, type Writer } from './edges.ts'
import { logitDifferences, type MaskedRun } from './masked-runs.ts'
import { gapOf } from './patch.ts'
import { type Receiver, receiversNamed, sendersNamed } from './path-names.ts'
import { readChanged } from './read-changed.ts'
import { valuesAt } from './values-at.ts'

export interface PathOptions {
  /** Patterns of senders: `embed`, `head 2.1`, `head 2.*`, `mlp *`. Default `*`, all there are. */
  readonly from?: readonly string[]
  /** Patterns of receivers: `logits`, `mlp 3`, `attn 3`, `head 3.1`, or one input of it, `head 3.1 q`. Default `logits`. */
  readonly to?: readonly string[]
  /** All senders at once into all receivers at once, instead of one by one. */
  readonly together?: boolean
  /** As of patch. */
  readonly direction?: 'denoise' | 'noise'
  readonly onRuns?: (done: number, of: number) => void
  readonly signal?: AbortSignal
}

/** What goes from a sender to a receiver directly, and on from there to the answer: a share of m_clean − m_corrupted. */
export interface PathEffect {
  readonly from: string
  readonly to: string
  readonly effect: number
}

export interface PatchedPaths {
  readonly gap: Gap
  /** One for every sender and every receiver that comes after it. */
  readonly effects: readonly PathEffect[]
}

/** Senders whose values are those of the other run, where receivers read them. */
interface Path {
  readonly from: string
  readonly to: string
  readonly senders: readonly Writer[]
  readonly receivers: readonly Receiver[]
}

/**
 * Path patching: receivers read the residual stream of one run in which senders add what they add in the other run, and everything between is
 * as it was. What the receivers then do goes into the run, and what is behind them is computed anew. effect = (m − m_corrupted) / (m_clean −
 * m_corrupted), as of patch.
 *
 * throws  UserError as patch, for names that the model does not have, for receivers that no sender comes before, and for a model with adapters
 * limits  over all positions; where a norm follows attention, all heads of a block are one sender
 * source  Wang et al. 2022, arXiv:2211.00593; Goldowsky-Dill et al. 2023, arXiv:2304.05969
 */
export async function patchPaths(model: Model, given: Contrast | ContrastTexts, options: PathOptions = {}): Promise<PatchedPaths> {
  const { direction = 'denoise', onRuns, signal } = options
  const contrast = contrastOf(model, given)
  const paths = pathsOf(model, options)
  const gap = await gapOf(model, contrast)
  const share = shareOf(gap)
  const [into, other] = direction === 'denoise' ? [contrast.corrupted, contrast.clean] : [contrast.clean, contrast.corrupted]
  const run: Run = { tokens: into, streams: await streamsOf(model, into), own: await contributions(model, into), theirs: await contributions(model, other) } // biome-ignore format: one value
  const effects = new Map<Path, number>()
  let done = 0
  for (const readers of new Set(paths.map(readersKey))) {
    const here = paths.filter((path) => readersKey(path) === readers)
    const masked = await runsOf(model, run, here, signal)
    const block = Math.min(...here[0]!.receivers.map(({ reader }) => reader.layer))
    const metrics = await logitDifferences(model, {
      runs: masked,
      others: {},
      answers: [contrast.answer, contrast.wrong],
      ...(block > 0 ? { from: { block, stream: run.streams[`blocks.${block - 1}.out`]! } } : {}),
      onRuns: (count) => onRuns?.((done += count), paths.length),
      ...(signal ? { signal } : {}),
    })
    here.forEach((path, i) => void effects.set(path, share(metrics[i]!)))
  }
  return { gap, effects: paths.map((path) => ({ from: path.from, to: path.to, effect: effects.get(path)! })) }
}

/** The run that is patched: its residual stream wherever something reads it, and what every writer adds in it and in the other one. */
interface Run {
  readonly tokens: readonly number[]
  readonly streams: Readonly<Record<string, Tensor>>
  readonly own: Readonly<Record<string, Float32Array>>
  readonly theirs: Readonly<Record<string, Float32Array>>
}

function streamsOf(model: Model, ids: readonly number[]): Promise<Record<string, Tensor>> {
  return valuesAt(model, ids, [...new Set(readersOf(model.config).map((reader) => streamTap(reader, model.config)))])
}

/** Paths whose receivers read at the same places are run together. */
function readersKey({ receivers }: Path): string {
  return [...new Set(receivers.map(({ reader }) => reader.name))].join()
}

/** For each path the run in which its receivers do what they do of the changed stream. */
async function runsOf(model: Model, run: Run, paths: readonly Path[], signal?: AbortSignal): Promise<MaskedRun[]> {
  const made = paths.map(() => ({ tokens: run.tokens, masks: {} as Record<string, Float32Array>, others: {} as Record<string, Tensor> }))
  const readers = new Set(paths.flatMap(({ receivers }) => receivers.map(({ reader }) => reader)))
  for (const reader of [...readers]) {
    const senders = [...new Set(paths.map((path) => path.senders))]
    const streams = senders.map((some) => changedStream(model, run, some, reader))
    const at = paths.flatMap(({ receivers }) => receivers).filter((receiver) => receiver.reader === reader)
    const inputs = [...new Set(at.map((receiver) => receiver.inputs))]
    const { tap, values } = await readChanged(model, { tokens: run.tokens, reader, streams, unchanged: run.streams, inputs }, signal)
    for (const [i, path] of paths.entries())
      for (const receiver of path.receivers.filter((one) => one.reader === reader)) {
        const changed = values[receiver.inputs]![senders.indexOf(path.senders)]!
        fill(made[i]!, tap, changed, receiver.head)
      }
  }
  return made
}

/** Puts a value at a tap of a run, or one head of it. */
function fill(
  { masks, others }: { masks: Record<string, Float32Array>; others: Record<string, Tensor> },
  tap: string,
  value: Tensor,
  head?: number,
) {
  // biome-ignore format: one signature
  const positions = value.shape.slice(0, -1).reduce((product, n) => product * n, 1)
  masks[tap] ??= new Float32Array(positions)
  others[tap] ??= tensor(new Float32Array(value.data.length), value.shape)
  const heads = head === undefined ? 1 : value.shape[0]!
  const [count, size, at] = [positions / heads, value.data.length / heads, head ?? 0]
  masks[tap].fill(1, at * count, (at + 1) * count)
  ;(others[tap].data as Float32Array).set((value.data as Float32Array).subarray(at * size, (at + 1) * size), at * size)
}

/** What a reader reads when senders add what they add in the other run. */
function changedStream({ config }: Model, { streams, own, theirs }: Run, senders: readonly Writer[], reader: Reader): Tensor {
  const { data, shape } = streams[streamTap(reader, config)]!
  const stream = Float32Array.from(data)
  for (const sender of senders) {
    if (!reaches(sender, reader, config)) continue
    const [to, from] = [theirs[sender.name]!, own[sender.name]!]
    for (let i = 0; i < stream.length; i++) stream[i]! += to[i]! - from[i]!
  }
  return tensor(stream, shape)
}

function pathsOf({ config, policy }: Model, { from = ['*'], to = ['logits'], together = false }: PathOptions): Path[] {
  if (policy.adapters) throw new UserError('path: the model must have no adapter beside its weights, got one; merge it first, with convert')
  const [senders, receivers] = [sendersNamed(config, from), receiversNamed(config, to)]
  const before = (receiver: Receiver) => senders.filter((sender) => reaches(sender, receiver.reader, config))
  const first = receivers.filter((receiver) => before(receiver).length === 0)
  if (first.length === receivers.length || (together && first.length > 0))
    throw new UserError(
      `to: a receiver must come after a sender, got ${first[0]!.name} with no sender before it; name earlier senders or later receivers`,
    )
  if (together && receivers.length > 1 && receivers.some(({ reader }) => reader.kind === 'logits'))
    throw new UserError(
      'to: logits must stand alone when all receivers are patched at once, got others beside it; what logits reads is then set',
    )
  if (together) return [{ from: from.join(', '), to: to.join(', '), senders, receivers: joined(receivers) }]
  const alone = new Map(senders.map((sender) => [sender, [sender]]))
  return receivers.flatMap((receiver) =>
    before(receiver).map((sender) => ({ from: sender.name, to: receiver.name, senders: alone.get(sender)!, receivers: [receiver] })),
  )
}

/** Inputs of one head that are named apart read the changed stream together. */
function joined(receivers: readonly Receiver[]): Receiver[] {
  const byHead = new Map<string, Receiver>()
  for (const receiver of receivers) {
    const key = `${receiver.reader.name} ${receiver.head}`
    const known = byHead.get(key)?.inputs ?? ''
    byHead.set(key, { ...receiver, inputs: [...'qkv'].filter((input) => (known + receiver.inputs).includes(input)).join('') })
  }
  return [...byHead.values()]
}
