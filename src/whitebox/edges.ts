import { gradient, matmul, reshape, stopGradient, sum, transpose, UserError, type Value } from '../graph/index.ts'
import type { DecoderConfig } from '../models/index.ts'
import { norm } from '../models/norm.ts'
import type { Model, See, Seen } from '../policy/index.ts'
import { type AttributeOptions, meanOnTheWay } from './attribute.ts'
import { type Contrast, type ContrastTexts, contrastOf, type Gap, shareOf } from './contrast.ts'
import { type Given, givenRuns, headsFirst } from './given-runs.ts'
import { differenceOf } from './masked-runs.ts'
import { gapOf } from './patch.ts'
import { tokenFirst } from './taps.ts'

/** What adds to the residual stream: the embedding, a head (or all attention of a block, where a norm follows it), an MLP. */
export interface Writer {
  readonly name: string
  /** The block that writes; −1 for the embedding. */
  readonly layer: number
  readonly kind: 'embed' | 'head' | 'attn' | 'mlp'
  readonly head?: number
}

/** What reads the residual stream through a norm of its own: attention of a block, an MLP, the head of the model. */
export interface Reader {
  readonly name: string
  readonly layer: number
  readonly kind: 'attn' | 'mlp' | 'logits'
}

/** What goes from a writer to a reader, over all positions, as a share of m_clean − m_corrupted. */
export interface EdgeEffect {
  readonly from: string
  readonly to: string
  readonly effect: number
}

export interface AttributedEdges {
  readonly gap: Gap
  readonly edges: readonly EdgeEffect[]
  /** As of attribute: the sum of all edges out of the embedding. */
  readonly whole: number
  /** What was taken other than usual. */
  readonly note?: string
}

/** Whether a norm stands between attention and the residual stream, so that heads do not add up to what it writes. */
export function normAfterAttention({ normed }: DecoderConfig): boolean {
  return normed === 'after' || normed === 'both'
}

/** The writers of a model, in the order they write. Where a norm follows attention, its heads are one writer. */
export function writersOf(config: DecoderConfig): Writer[] {
  const heads = normAfterAttention(config) ? [] : Array.from({ length: config.heads }, (_, head) => head)
  const ofBlock = (layer: number): Writer[] => [
    ...heads.map((head): Writer => ({ name: `head ${layer}.${head}`, layer, kind: 'head', head })),
    ...(heads.length === 0 ? [{ name: `attn ${layer}`, layer, kind: 'attn' } as const] : []),
    { name: `mlp ${layer}`, layer, kind: 'mlp' },
  ]
  return [{ name: 'embed', layer: -1, kind: 'embed' }, ...Array.from({ length: config.layers }, (_, layer) => ofBlock(layer)).flat()]
}

/** The readers of a model, in the order they read. */
export function readersOf({ layers }: DecoderConfig): Reader[] {
  const ofBlock = (layer: number): Reader[] => [
    { name: `attn ${layer}`, layer, kind: 'attn' },
    { name: `mlp ${layer}`, layer, kind: 'mlp' },
  ]
  return [...Array.from({ length: layers }, (_, layer) => ofBlock(layer)).flat(), { name: 'logits', layer: layers, kind: 'logits' }]
}

/** Whether what a writer adds is in what a reader reads. An MLP beside its attention does not read it. */
export function reaches(writer: Writer, reader: Reader, { parallel }: DecoderConfig): boolean {
  if (writer.layer < reader.layer) return true
  return writer.layer === reader.layer && writer.kind !== 'mlp' && reader.kind === 'mlp' && !parallel
}

/**
 * Edge attribution patching: (what a writer adds in the clean run − in the corrupted one) · ∂m/∂(what the reader reads before its norm, and
 * through it alone). Edges out of a writer add up to its node effect.
 *
 * throws  UserError as attribute, and for a model with adapters
 * source  Syed et al. 2023, arXiv:2310.10348; with steps: Hanna et al. 2024, arXiv:2403.17806
 */
export async function attributeEdges(
  model: Model,
  given: Contrast | ContrastTexts,
  { steps = 1, signal }: Pick<AttributeOptions, 'steps' | 'signal'> = {},
): Promise<AttributedEdges> {
  const { config } = model
  if (model.policy.adapters)
    throw new UserError('edges: the model must have no adapter beside its weights, got one; merge it first, with convert')
  const contrast = contrastOf(model, given)
  const gap = await gapOf(model, contrast)
  const share = shareOf({ clean: gap.clean - gap.corrupted, corrupted: 0 })
  const [clean, corrupted] = [await contributions(model, contrast.clean), await contributions(model, contrast.corrupted)]
  const slopes = await meanOnTheWay(model, contrast, readerSlopes(config), { steps, feeds: {}, ...(signal ? { signal } : {}) })
  const edges = writersOf(config).flatMap((writer) => {
    const delta = clean[writer.name]!.map((x, i) => x - corrupted[writer.name]![i]!)
    return readersOf(config)
      .filter((reader) => reaches(writer, reader, config))
      .map((reader) => ({ from: writer.name, to: reader.name, effect: share(dot(delta, slopes[reader.name]!.data)) }))
  })
  const note = normAfterAttention(config)
    ? 'a norm follows attention here, so what its heads add cannot be told apart: all heads of a block are one writer'
    : undefined
  const whole = edges.filter(({ from }) => from === 'embed').reduce((sum, { effect }) => sum + effect, 0)
  return { gap, edges, whole, ...(note ? { note } : {}) }
}

/** What each writer adds to the residual stream, f32[T · d] by its name. */
export async function contributions(
  model: Pick<Model, 'config' | 'policy'>,
  ids: readonly number[],
): Promise<Record<string, Float32Array>> {
  return (await contributionsOf(model, ids, [{}], writersOf(model.config)))[0]!
}

/** What some writers add in runs of one text, each with its own values at taps: f32[T · d] by name, for every run. */
export async function contributionsOf(
  model: Pick<Model, 'config' | 'policy'>,
  ids: readonly number[],
  runs: readonly Given[],
  writers: readonly Writer[],
  signal?: AbortSignal,
): Promise<Record<string, Float32Array>[]> {
  const found = await givenRuns(model, ids, runs, contributionSee(model.config, writers), signal)
  return found.map((seen) => {
    const byHead = Object.fromEntries(Object.entries(seen).map(([name, x]) => [name, headsFirst(x).data as Float32Array]))
    const width = ids.length * model.config.hiddenSize
    return Object.fromEntries(
      writers.map((writer) => {
        const { name, head = 0 } = writer
        return [name, byHead[seenName(writer)]!.subarray(head * width, (head + 1) * width)]
      }),
    )
  })
}

/** Heads of a block are seen together. */
function seenName({ name, kind, layer }: Writer): string {
  return kind === 'head' ? `heads ${layer}` : name
}

/** The same function for the same writers, since programs are kept by it. */
function contributionSee(config: DecoderConfig, writers: readonly Writer[]): See {
  const known = contributionSees.get(config) ?? new Map<string, See>()
  contributionSees.set(config, known)
  const key = writers.map(({ name }) => name).join()
  const before = known.get(key)
  if (before) return before
  const see: See = ({ tap, params }) => {
    const ofHeads = (layer: number): Value => {
      const { heads, headDim, hiddenSize } = config
      const each = reshape(transpose(params.blocks[layer]!.attn.o), [1, heads, headDim, hiddenSize])
      return tokenFirst(matmul(tap(`blocks.${layer}.attn.z`), each))
    }
    return Object.fromEntries(
      writers
        .filter(({ kind, head }) => kind !== 'head' || head === 0)
        .map((writer): [string, Value] => {
          const { kind, layer } = writer
          if (kind === 'head') return [seenName(writer), ofHeads(layer)]
          return [seenName(writer), tap(kind === 'embed' ? 'embed' : `blocks.${layer}.${kind}.out`)]
        }),
    )
  }
  Object.defineProperty(see, 'name', { value: `contributions:${key}` })
  known.set(key, see)
  return see
}
const contributionSees = new WeakMap<DecoderConfig, Map<string, See>>()

/** ∂m/∂(what each reader reads), through that reader alone: the slope behind its norm, taken back through the norm. */
function readerSlopes(config: DecoderConfig): See {
  const readers = readersOf(config)
  const readerSlopes: See = (seen) => {
    const behind = Object.fromEntries(readers.map((reader) => [reader.name, seen.tap(normedTap(reader))]))
    const slopes = gradient(sum(differenceOf(seen, config)), behind)
    return Object.fromEntries(
      readers.map((reader) => {
        const x = seen.tap(streamTap(reader, config))
        const along = sum(norm(x, ...normOf(reader, seen), config).mul(stopGradient(slopes[reader.name]!)))
        return [reader.name, gradient(along, { x }).x]
      }),
    )
  }
  const known = slopeSees.get(config) ?? readerSlopes
  slopeSees.set(config, known)
  return known
}
const slopeSees = new WeakMap<DecoderConfig, See>()

/** The tap behind a reader's norm. */
export function normedTap({ kind, layer }: Reader): string {
  return kind === 'logits' ? 'final' : `blocks.${layer}.${kind}.in`
}

/** The tap of the residual stream that a reader reads. */
export function streamTap({ kind, layer }: Reader, { parallel }: DecoderConfig): string {
  if (kind === 'mlp' && !parallel) return `blocks.${layer}.mid`
  return layer === 0 ? 'embed' : `blocks.${layer - 1}.out`
}

function normOf({ kind, layer }: Reader, { params }: Pick<Seen, 'params'>): [Value | undefined, Value | undefined] {
  if (kind === 'logits') return [params.norm, params.normBias]
  const block = params.blocks[layer]!
  return kind === 'attn' ? [block.attnNorm, block.attnNormBias] : [block.mlpNorm, block.mlpNormBias]
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let total = 0
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!
  return total
}
