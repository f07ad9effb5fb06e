import { broadcastTo, tensor } from '../graph/index.ts'
import { type Edit, edited, type Model, over } from '../policy/index.ts'
import { type Contrast, type ContrastTexts, contrastOf, type Gap, shareOf } from './contrast.ts'
import { contributions, type EdgeEffect, reaches, readersOf, streamTap, writersOf } from './edges.ts'
import { answerFeeds, logitDifferenceOf } from './masked-runs.ts'
import { gapOf } from './patch.ts'
import { valuesAt } from './values-at.ts'

export interface Circuit {
  readonly gap: Gap
  /** The logit difference when only these edges carry clean values, nats. */
  readonly difference: number
  /** The share of m_clean − m_corrupted that is left: 1 for all edges, 0 for none. It may lie outside of these. */
  readonly faithfulness: number
}

/**
 * What a set of edges does alone: every reader reads the corrupted residual stream, in which only writers with an edge to it in the set are
 * as they now are. One pass forward for each reader, in order.
 *
 * throws  UserError as attributeEdges
 * limits  edges hold all positions; an edge that the model does not have counts for nothing
 * source  Conmy et al. 2023, arXiv:2304.14997; faithfulness: Hanna et al. 2024, arXiv:2403.17806
 */
export async function circuit(
  model: Model,
  given: Contrast | ContrastTexts,
  edges: readonly Pick<EdgeEffect, 'from' | 'to'>[],
  { signal }: { signal?: AbortSignal } = {},
): Promise<Circuit> {
  const { config, policy } = model
  const contrast = contrastOf(model, given)
  const gap = await gapOf(model, contrast)
  const T = contrast.clean.length
  const kept = new Set(edges.map(({ from, to }) => `${from} → ${to}`))
  const readers = readersOf(config)
  const writers = writersOf(config)
  const corrupted = await contributions(model, contrast.corrupted)
  const streams = await valuesAt(model, contrast.corrupted, [...new Set(readers.map((reader) => streamTap(reader, config)))])
  const { embed } = await contributions(model, contrast.clean)
  const now: Record<string, Float32Array> = { ...corrupted, embed: embed! }
  const trees = [{ prompt: contrast.clean, completions: [] }]
  const packing = { lengths: [T], tokenBudget: T, wantedMultiple: 1 }
  const feeds = answerFeeds([contrast.answer, contrast.wrong], T)
  let difference = 0
  for (const reader of readers) {
    signal?.throwIfAborted()
    const at = streamTap(reader, config)
    const { data, shape } = streams[at]!
    const stream = Float32Array.from(data)
    for (const writer of writers) {
      if (!reaches(writer, reader, config) || !kept.has(`${writer.name} → ${reader.name}`)) continue
      const [to, from] = [now[writer.name]!, corrupted[writer.name]!]
      for (let i = 0; i < stream.length; i++) stream[i]! += to[i]! - from[i]!
    }
    const reading = edited(policy, readEdit, { at, feeds: () => ({ read: tensor(stream, shape) }) })
    if (reader.kind === 'logits') {
      difference = (await over(reading, trees, logitDifferenceOf(config), { per: 'tree', packing, feeds })).m!.data[0]!
      continue
    }
    const found = await contributions({ config, policy: reading }, contrast.clean)
    for (const { name, layer, kind } of writers) {
      if (layer === reader.layer && (kind === 'mlp') === (reader.kind === 'mlp')) now[name] = found[name]!
    }
  }
  return { gap, difference, faithfulness: shareOf(gap)(difference) }
}

const readEdit: Edit = (_, x, at) => broadcastTo(at.input('read', x.shape.slice(1)), x.shape)
