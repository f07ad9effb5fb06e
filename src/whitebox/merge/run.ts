import { readdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeCompanions } from '../../checkpoints/checkpoint.ts'
import { readGeneration } from '../../checkpoints/generation.ts'
import { halfBits, toBrain, toHalf } from '../../checkpoints/half.ts'
import { type MadeTensor, streamShards } from '../../checkpoints/stream-shards.ts'
import type { FloatType } from '../../checkpoints/write-safetensors.ts'
import { writeFolder } from '../../files/write.ts'
import { UserError } from '../../graph/errors.ts'
import { sizeOf } from '../../graph/tensor.ts'
import { findChatTemplate } from '../../text/chat-template.ts'
import { type MergeConfig, type NumberType, readMergeConfig } from './configuration.ts'
import { drawMasks } from './masks.ts'
import type { MergedTensor } from './merged-vectors.ts'
import { type PlannedTensor, planMerge } from './plan.ts'
import { type OpenModel, openReference } from './reference.ts'
import { tokenRows, toldOf, withTokens } from './token-rows.ts'
import { alignRows, mustAgree, type RowMap, readVocabulary, rowMap, stripped, union, type Vocabulary } from './vocabulary.ts'

/** What was merged. */
export interface Merged {
  readonly method: string
  readonly models: readonly string[]
  readonly base?: string
  readonly layers: number
  readonly tensors: number
  readonly parameters: number
  readonly dtype: FloatType
}

/**
 * Merges models as a configuration of mergekit says, tensor by tensor: one of each model and two more are in memory, whatever their size. The
 * folder appears whole or not at all.
 *
 * throws  UserError as readMergeConfig and planMerge, and for a folder that holds something
 */
export async function mergeModels(
  file: string,
  out: string,
  options: {
    readonly seed?: number
    readonly maxShardBytes?: number
    readonly signal?: AbortSignal
    readonly note?: (line: string) => void
    readonly onTensor?: (done: number, of: number) => void
    /** Shows each tensor before and after; what goes in is then in memory twice. */
    readonly see?: (tensor: MergedTensor) => void
    /** Called with the folders of what was merged while they can be read; an adapter has none. */
    readonly folders?: (folders: readonly { readonly name: string; readonly folder: string }[]) => void
  } = {},
): Promise<Merged> {
  const { seed = 0, maxShardBytes = 5e9, signal, note = () => {}, onTensor, see } = options
  const config = await readMergeConfig(file)
  if ((await readdir(out).catch(() => [])).length > 0)
    throw new UserError(`${out}: must be a new or an empty folder, got one that holds something; name another`)
  const models = new Map<string, OpenModel>()
  try {
    for (const [name, where] of referenced(config)) models.set(name, await openReference(name, dirname(file), where, note))
    const vocabulary = await vocabularyOf(config, models)
    const { config: made, donor, tensors } = planMerge(config, models, vocabulary?.map.rows)
    const order = [...models.values()]
    let done = 0
    const written = tensors.map((planned): MadeTensor => {
      const kinds = new Set(planned.sources.map(({ model, tensor }) => model.typeOf(tensor)))
      const dtype = config.outDtype ?? config.dtype ?? (kinds.size === 1 ? [...kinds][0]! : 'f32')
      const make = async () => {
        signal?.throwIfAborted()
        const data = await mergeTensor(config, planned, seed, vocabulary && { map: vocabulary.map, order }, see)
        onTensor?.(++done, tensors.length)
        return data
      }
      return { name: planned.stored.name, shape: planned.stored.shape, dtype: dtype as FloatType, make }
    })
    const dtype = written[0]!.dtype
    await writeFolder(out, async (folder) => {
      await streamShards(folder, written, maxShardBytes)
      const { folder: from, json } = vocabulary?.owner ?? donor
      const { eosIds } = await readGeneration(from, join(from, 'config.json'), json)
      await writeCompanions(folder, { folder: from, config: made, eosIds }, dtype)
      if (vocabulary?.json) {
        await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(vocabulary.json))
        for (const name of ['tokenizer.model', 'added_tokens.json']) await rm(join(folder, name), { force: true })
      }
      const template = config.chatTemplate && (await templateOf(config.chatTemplate.source, order))
      if (template) await writeFile(join(folder, 'chat_template.jinja'), template)
    })
    const parameters = written.reduce((sum, { shape }) => sum + sizeOf(shape), 0)
    options.folders?.(order.flatMap(({ name, folder }) => (name.includes('+') ? [] : [{ name, folder }])))
    return {
      method: config.method.name,
      models: [...models.keys()],
      ...(config.base === undefined ? {} : { base: config.base }),
      layers: made.layers,
      tensors: written.length,
      parameters,
      dtype,
    }
  } finally {
    for (const model of models.values()) await model.close()
  }
}

/** Every model once, with the place that names it first; the base comes first. */
function referenced({ base, slices, file }: MergeConfig): Map<string, string> {
  const all = new Map<string, string>(base === undefined ? [] : [[base, `${file}: base_model`]])
  for (const { base: own, sources, where } of slices) {
    for (const { model, where } of sources) if (!all.has(model)) all.set(model, `${where}.model`)
    if (own !== undefined && !all.has(own)) all.set(own, `${where}.base_model`)
  }
  return all
}

/** Reads, aligns and merges one tensor. */
async function mergeTensor(
  { method, dtype }: MergeConfig,
  { stored, sources, base, named, values, ofTokens }: PlannedTensor,
  seed: number,
  vocabulary: { readonly map: RowMap; readonly order: readonly OpenModel[] } | undefined,
  see: ((tensor: MergedTensor) => void) | undefined,
): Promise<Float32Array> {
  let tensors: Float32Array[] = []
  for (const { model, tensor } of sources) tensors.push(roundTo(dtype, await model.read(tensor)))
  if (vocabulary && ofTokens) {
    const { map, order } = vocabulary
    const from = sources.map(({ model }) => map.from[order.indexOf(model)]!)
    const told = map.told && toldOf(map.told, (m) => sources.findIndex(({ model }) => model === order[m]), stored.name)
    tensors = alignRows(tensors, named, { ...map, from, ...(told ? { told } : {}) }, stored.shape[1]!)
  }
  const { name, shape } = stored
  const others = tensors.filter((_, m) => m !== base)
  const before = see ? tensors.map((one) => one.slice()) : []
  const out = method.merge(
    { name, shape, tensors, base: tensors[base], others, draw: drawMasks(seed, name, others[0]?.length ?? 0) },
    values as never,
  )
  see?.({ name, models: sources.map(({ model }) => model.name), tensors: before, base: named, out })
  return out
}

/** As numbers of that type are; f32 and f64 hold them all. */
function roundTo(type: NumberType | undefined, data: Float32Array): Float32Array {
  if (type !== 'f16' && type !== 'bf16') return data
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length)
  const table = halfBits()
  for (let i = 0; i < bits.length; i++) bits[i] = type === 'f16' ? table[toHalf(bits[i]!)]! : toBrain(bits[i]!) << 16
  return data
}

interface OutputVocabulary {
  readonly map: RowMap
  /** The model whose companions are taken; that of the merge where there is none. */
  readonly owner?: OpenModel
  readonly json?: object
}

async function vocabularyOf(config: MergeConfig, models: ReadonlyMap<string, OpenModel>): Promise<OutputVocabulary | undefined> {
  const order = [...models.values()]
  const all: (Vocabulary | undefined)[] = []
  for (const { folder, config } of order) all.push(await readVocabulary(folder, config.vocabSize))
  const { tokenizer } = config
  if (!tokenizer) {
    // Rows of another number are told by the shape, with the same remedy.
    mustAgree(config.file, order.map(({ name }, m) => ({ name, vocabulary: all[m] }))) // biome-ignore format: one line
    return undefined
  }
  const { source, multiple, tokens, where } = tokenizer
  const owner = source === 'base' || source === 'union' ? order[0]! : models.get(source)
  if (!owner) throw new UserError(`${where}: must be base, union or a model that is merged, got ${source}; name one of ${[...models.keys()].join(', ')}`) // biome-ignore format: one line
  const own = all[order.indexOf(owner)]
  if (!own) throw new UserError(`${where}: ${owner.name} must have a tokenizer.json, got none; take another tokenizer_source`)
  const known = [own, ...all.filter((one) => one !== undefined && one !== own)] as Vocabulary[]
  const json = withTokens(source === 'union' ? union(known, where) : stripped(own, where), own, tokens)
  const ids = new Map([...own.ids, ...json.added_tokens.map(({ content, id }) => [content, id] as const)])
  const map = rowMap(ids, all, multiple)
  const told = tokenRows(tokens, ids, map, order.map(({ name, config }, m) => ({ name, rows: config.vocabSize, ids: (all[m] ?? all.find((one) => one))!.ids }))) // biome-ignore format: one line
  return { map: { ...map, ...(told ? { told } : {}) }, owner, ...(json === own.json ? {} : { json }) }
}

/** The template itself, or the one that most models have, the first of equally many. */
async function templateOf(source: string, models: readonly OpenModel[]): Promise<string | undefined> {
  if (source !== 'auto') return source
  const counts = new Map<string, number>()
  for (const { folder } of models) {
    const template = (await findChatTemplate(folder))?.source.trim()
    if (template) counts.set(template, (counts.get(template) ?? 0) + 1)
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0]
}
