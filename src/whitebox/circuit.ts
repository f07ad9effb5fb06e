import { type Tensor, tensor } from '../graph/index.ts'
import type { Model } from '../policy/index.ts'
import { type Contrast, type ContrastTexts, contrastOf, type Gap, shareOf } from './contrast.ts'
import {
  contributions,
  contributionsOf,
  type EdgeEffect,
  type Reader,
  reaches,
  readersOf,
  streamTap,
  type Writer,
  writersOf,
} from './edges.ts'
import { logitDifferences } from './masked-runs.ts'
import { gapOf } from './patch.ts'
import { valuesAt } from './values-at.ts'

/** An edge by its ends. */
export type Edge = Pick<EdgeEffect, 'from' | 'to'>

export interface Circuit {
  readonly gap: Gap
  /** The logit difference when only these edges carry clean values, nats. */
  readonly difference: number
  /** The share of m_clean − m_corrupted that is left: 1 for all edges, 0 for none. It may lie outside of these. */
  readonly faithfulness: number
}

export interface CircuitOptions {
  /** Called with how many sets are done, of how many. */
  readonly onSets?: (done: number, of: number) => void
  readonly signal?: AbortSignal
}

/** What one set of edges does alone; see circuits. */
export async function circuit(
  model: Model,
  given: Contrast | ContrastTexts,
  edges: readonly Edge[],
  options: CircuitOptions = {},
): Promise<Circuit> {
  return (await circuits(model, given, [edges], options))[0]!
}

/**
 * What each of several sets of edges does alone: every reader reads the corrupted residual stream, in which only writers with an edge to it in
 * the set are as they now are. A set costs about one pass forward, its parts computed one after the other.
 *
 * throws  UserError as attributeEdges
 * limits  edges hold all positions; an edge that the model does not have counts for nothing
 * source  Conmy et al. 2023, arXiv:2304.14997; faithfulness: Hanna et al. 2024, arXiv:2403.17806
 */
export async function circuits(
  model: Model,
  given: Contrast | ContrastTexts,
  sets: readonly (readonly Edge[])[],
  { onSets, signal }: CircuitOptions = {},
): Promise<Circuit[]> {
  const contrast = contrastOf(model, given)
  const gap = await gapOf(model, contrast)
  const corrupted = await contributions(model, contrast.corrupted)
  const { embed } = await contributions(model, contrast.clean)
  const streams = await valuesAt(model, contrast.corrupted, [
    ...new Set(readersOf(model.config).map((reader) => streamTap(reader, model.config))),
  ])
  const share = shareOf(gap)
  const found: Circuit[] = []
  const size = contrast.clean.length * model.config.hiddenSize * writersOf(model.config).length
  const atOnce = Math.max(1, Math.floor(floatsAtOnce / size))
  for (let at = 0; at < sets.length; at += atOnce) {
    const here = sets.slice(at, at + atOnce)
    const differences = await together(model, contrast, here, { corrupted, embed: embed!, streams }, signal)
    for (const difference of differences) found.push({ gap, difference, faithfulness: share(difference) })
    onSets?.(found.length, sets.length)
  }
  return found
}

/** Numbers that writers add which are held in memory at a time: 128 MB. */
const floatsAtOnce = 2 ** 25

interface Known {
  /** What every writer adds in the corrupted run. */
  readonly corrupted: Readonly<Record<string, Float32Array>>
  /** The clean embedding. */
  readonly embed: Float32Array
  /** The corrupted residual stream wherever something reads it. */
  readonly streams: Readonly<Record<string, Tensor>>
}

/** The logit difference that each set leaves, reader after reader for all of them at once. */
async function together(
  model: Model,
  { clean, answer, wrong }: Contrast,
  sets: readonly (readonly Edge[])[],
  { corrupted, embed, streams }: Known,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const { config } = model
  const writers = writersOf(config)
  const kept = sets.map((edges) => new Set(edges.map(({ from, to }) => edgeKey(from, to))))
  const now = sets.map((): Record<string, Float32Array> => ({ embed }))
  const read = (r: number, reader: Reader): Tensor => {
    const { data, shape } = streams[streamTap(reader, config)]!
    const stream = Float32Array.from(data)
    for (const { name } of writers.filter((writer) => reaches(writer, reader, config))) {
      if (!kept[r]!.has(edgeKey(name, reader.name))) continue
      const [to, from] = [now[r]![name]!, corrupted[name]!]
      for (let i = 0; i < stream.length; i++) stream[i]! += to[i]! - from[i]!
    }
    return tensor(stream, shape)
  }
  for (const reader of readersOf(config)) {
    signal?.throwIfAborted()
    const at = streamTap(reader, config)
    const given = sets.map((_, r) => ({ [at]: read(r, reader) }))
    if (reader.kind === 'logits') {
      const runs = given.map((others) => ({ tokens: clean, masks: { [at]: new Float32Array(clean.length).fill(1) }, others }))
      const from = { block: config.layers, stream: streams[at]! }
      return logitDifferences(model, { runs, others: {}, answers: [answer, wrong], from })
    }
    const written = await contributionsOf(model, clean, given, writersBehind(reader, writers), signal)
    for (const [r, found] of written.entries()) Object.assign(now[r]!, found)
  }
  throw new Error('internal: the readers of a model must end with logits')
}

function edgeKey(from: string, to: string): string {
  return `${from} → ${to}`
}

/** What writes what a reader read. */
function writersBehind(reader: Reader, writers: readonly Writer[]): Writer[] {
  return writers.filter(({ layer, kind }) => layer === reader.layer && (kind === 'mlp') === (reader.kind === 'mlp'))
}
