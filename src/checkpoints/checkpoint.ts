import { copyFile, readdir, readFile, rm, stat } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { closestMatch } from 'leven'
import { z } from 'zod'
import { hashFile, hashText } from '../files/hash.ts'
import { readJson } from '../files/json.ts'
import { writeFolder } from '../files/write.ts'
import { UserError } from '../graph/errors.ts'
import { isTensor, leaves, type Shape, sameShape, show, sizeOf, type Tensor } from '../graph/tensor.ts'
import { type DecoderConfig, familyOf, readConfig, writeConfig } from '../models/config.ts'
import { freshParams } from '../models/fresh.ts'
import { mergeAdapters } from '../models/lora.ts'
import { type DecoderParams, decoderParams } from '../models/params.ts'
import { type FileTensor, fileTensors, pack, unpack } from '../models/tensor-names.ts'
import { loadTokenizer, type Tokenizer, tokenizerFiles } from '../text/tokenizer.ts'
import { checkScore, checkUse } from './check-use.ts'
import type { EditFile } from './edit-file.ts'
import { dropOtherEdits, finishMoves, keptEdits, listEdits } from './edit-log.ts'
import { type Generation, readGeneration } from './generation.ts'
import { type UnpackedGguf, unpackGguf } from './gguf/unpack.ts'
import { hubFolder, hubId } from './hub.ts'
import { loadAdapters } from './load-peft.ts'
import { weightsFile } from './peft.ts'
import { peftBase } from './peft-model.ts'
import { exists, folderRemedy, readShards } from './read-shards.ts'
import { modelFolder } from './run-model.ts'
import { writeShards } from './shards.ts'
import { stories5m } from './stories5m.ts'
import { stories15m } from './stories15m.ts'
import { readEdits, withEdits } from './with-edits.ts'
import { writeConfigFile } from './write-config.ts'
import type { FloatType } from './write-safetensors.ts'

/** A model as it lies in a folder that transformers loads too. */
export interface Checkpoint {
  readonly name: string
  readonly folder: string
  readonly config: DecoderConfig
  readonly params: DecoderParams<Tensor>
  readonly tokenizer: Tokenizer
  /** Ids that end a completion. */
  readonly eosIds: readonly number[]
  /** How its generation_config.json says that it is sampled. */
  readonly sampling?: Generation['sampling']
  readonly saysHow?: boolean
  /** The types that its weights come in, where its file is GGUF; they are made f32, and never rounded again. */
  readonly types?: readonly string[]
  /** What it asks for that is not done here, a sentence each. */
  readonly notes?: readonly string[]
  /** sha256 of the weights file, or of its shards one after the other; of that and the edits, where some were asked for. */
  readonly hash: string
  /** What is done to activations wherever the model is run: of a folder, or asked for. */
  readonly edits?: readonly EditFile[]
}

/** Models that are known by name; each makes sure that its folder is there and says where. */
export const models: Record<string, { readonly folder: (onProgress: (line: string) => void) => Promise<string> }> = {
  stories5m,
  ...(stories15m ? { stories15m } : {}),
}

const remedy = folderRemedy
const anyObject = z.looseObject({})

/**
 * Loads a model by name, from a folder, a run, a folder of PEFT (merged into the model that it names) or a GGUF file, or from the Hub by `owner/name` or `owner/name@revision`.
 *
 * throws  UserError for an unknown name, a folder that lacks a file, another architecture, and tensors missing, extra or misshapen
 */
export async function loadCheckpoint(
  nameOrFolder: string,
  options: {
    readonly onProgress?: (line: string) => void
    /** Begin with fresh parameters of this seed; the folder then needs no weights. */
    readonly fresh?: number
    /** Edits that are done to it: a file, or several in their order. */
    readonly edit?: string | readonly string[] | undefined
    /** A directional ablation becomes its identity in weights where that is exact, as for a file that holds weights alone. */
    readonly identities?: boolean
    /** Weights of so many bytes as f32 are read only when they are asked for. Default 128 MiB. */
    readonly lazyFrom?: number
    /** What it must be: a policy, which says the next token (the default), a reward model, which scores texts, or either. */
    readonly as?: 'policy' | 'reward' | 'either'
  } = {},
): Promise<Checkpoint> {
  const adaptedFrom = options.fresh === undefined && !Object.hasOwn(models, nameOrFolder) ? await peftBase(nameOrFolder) : undefined
  if (adaptedFrom !== undefined) return merged(nameOrFolder, adaptedFrom, options)
  const known = Object.hasOwn(models, nameOrFolder) ? models[nameOrFolder] : undefined
  const gguf = !known && nameOrFolder.endsWith('.gguf') ? await unpackGguf(nameOrFolder, options.lazyFrom) : undefined
  const folder =
    gguf?.folder ?? (known ? await known.folder(options.onProgress ?? (() => {})) : await existingFolder(nameOrFolder, options.onProgress))
  if (!gguf) await finishMoves(folder)
  const configFile = join(folder, 'config.json')
  const json = await readJson(configFile, anyObject, remedy)
  const told = readConfig(configFile, json)
  checkUse(nameOrFolder, told, options.as ?? 'policy')
  const generation = await readGeneration(folder, configFile, json)
  // Side by side: one waits for the disk. What is wrong with the weights is said first.
  const reading = loadTokenizer(folder, { rows: told.vocabSize })
  reading.catch(() => {})
  const { config, params, hash } =
    options.fresh === undefined ? await readWeights(folder, told, gguf, options.lazyFrom) : freshWeights(told, options.fresh)
  const tokenizer = await reading
  const { kept, base } = gguf || options.fresh !== undefined ? {} : await keptEdits(folder, config)
  const loaded = {
    name: known ? nameOrFolder : basename(resolve(nameOrFolder), '.gguf'),
    folder,
    config,
    params,
    tokenizer,
    ...generation,
    ...(gguf ? { types: gguf.types } : {}),
    hash,
    ...(kept ? { edits: kept } : {}),
  }
  return withEdits(loaded, await readEdits(options.edit, config), { base, identities: options.identities })
}

/** A model with the adapter of a folder of PEFT in its weights; tokenizer and template are the model's. */
async function merged(folder: string, base: string, options: NonNullable<Parameters<typeof loadCheckpoint>[1]>): Promise<Checkpoint> {
  const { edit, ...rest } = options
  const loaded = await loadCheckpoint(base, rest).catch((error) => {
    if (!(error instanceof UserError)) throw error
    throw new UserError(`${folder}: the model that its adapter is for must be here: ${error.message}`, { cause: error })
  })
  const adapters = await loadAdapters(folder, loaded.config)
  const hash = hashText(`${loaded.hash} ${await hashFile(join(folder, weightsFile))}`)
  const made = { ...loaded, name: basename(resolve(folder)), params: mergeAdapters(loaded.params, adapters), hash }
  return withEdits(made, await readEdits(edit, loaded.config), { identities: options.identities })
}

/** The folder itself, or the model's in a run's folder, or that of a model of the Hub; `models/tinny` is a slip and no owner of that name where there is a folder `models`. */
export async function existingFolder(path: string, onProgress?: (line: string) => void): Promise<string> {
  const isFolder = async (name: string) => (await stat(name).catch(() => undefined))?.isDirectory() === true
  if (await isFolder(path)) return modelFolder(path)
  const id = hubId(path)
  if (id && !(await isFolder(dirname(path)))) return hubFolder(id, onProgress)
  const near = closestMatch(path, Object.keys(models), { maxDistance: 3 })
  throw new UserError(
    `model: must be ${Object.keys(models).join(', ')} or a folder, got ${JSON.stringify(path)}, which is neither; ${near ? `did you mean ${near}?` : remedy}; a .gguf file and owner/name on the Hub will do too`,
  )
}

interface Weights {
  /** As config.json says, but with a head of its own where one lies there that is not the embedding. */
  readonly config: DecoderConfig
  readonly params: DecoderParams<Tensor>
  readonly hash: string
}

/** Reads model.safetensors, or the shards that model.safetensors.index.json lists, into the nested parameters. */
async function readWeights(folder: string, told: DecoderConfig, gguf?: UnpackedGguf, lazyFrom?: number): Promise<Weights> {
  const { where, found, hash } = gguf ? { where: gguf.file, found: gguf.tensors, hash: gguf.hash } : await readShards(folder, lazyFrom)
  const take = (name: string) => {
    const tensor = found.get(name)
    found.delete(name)
    return tensor
  }
  const fitting = (tensor: Tensor | undefined, { name, shape }: FileTensor) => {
    if (!tensor) throw new UserError(`${where}: ${name} must be there, got no such tensor; is config.json of another model?`)
    if (tensor.dtype === 'f32' && sameShape(tensor.shape, shape)) return tensor
    throw new UserError(
      `${where}: ${name} must be ${show({ dtype: 'f32', shape })} by config.json, got ${show(tensor)}; is config.json of another model?`,
    )
  }
  if (told.layers > found.size)
    throw new UserError(
      `${where}: ${told.layers} layers must have tensors, got ${found.size} tensors in all; is config.json of another model?`,
    )
  const { base, ignored } = familyOf(told)
  const ownHead = told.tied && hasOwnHead(told, found)
  const config = ownHead ? { ...told, tied: false } : told
  const given = new Map<string, Tensor>()
  for (const stored of fileTensors(config)) {
    const tensor = take(stored.name) ?? (stored.name.startsWith(base) ? take(stored.name.slice(base.length)) : undefined)
    const parts = unpack(stored, fitting(tensor, stored))
    for (const [i, { path }] of stored.parts.entries()) given.set(path, parts[i]!)
  }
  const params = decoderParams(config, (path) => given.get(path)!)
  checkScore(where, params.score)
  for (const [name, tensor] of found) {
    // Rotary tables are computed, and older checkpoints of tied models store the embedding twice.
    if (name.endsWith('.rotary_emb.inv_freq') || ignored?.test(name)) continue
    if (config.tied && heads.test(name) && sameNumbers(tensor, params.embed)) continue
    throw new UserError(
      `${where}: every tensor must belong to a ${config.family} of ${config.layers} layers, got ${name} too; is config.json of another model?`,
    )
  }
  return { config, params, hash }
}

const heads = /^(lm_head|embed_out)\.weight$/

/** Whether a head lies there that is not the embedding, whatever config.json says: transformers does not tie it then. */
function hasOwnHead(config: DecoderConfig, found: ReadonlyMap<string, Tensor>): boolean {
  const stored = fileTensors(config).find(({ parts }) => parts[0]!.path === 'embed')!
  const embed = found.get(stored.name) ?? found.get(stored.name.slice(familyOf(config).base.length))
  const head = [...found].find(([name]) => heads.test(name))?.[1]
  return embed !== undefined && head !== undefined && sameShape(head.shape, embed.shape) && !sameNumbers(head, embed)
}

function freshWeights(config: DecoderConfig, seed: number): Weights {
  let bytes = 0
  decoderParams(config, (_, shape) => (bytes += 4 * sizeOf(shape)))
  if (bytes > totalmem())
    throw new UserError(
      `${config.family}: fresh parameters must fit the memory of ${totalmem()} bytes, got ${bytes} by config.json; make the model smaller`,
    )
  return { config, params: freshParams(config, seed), hash: hashText(JSON.stringify({ config, seed, drawn: 'Philox by seed and name' })) }
}

function sameNumbers(a: Tensor, b: Tensor): boolean {
  if (!sameShape(a.shape, b.shape)) return false
  const [mine, others] = [a.data, b.data]
  return mine.every((x, i) => Object.is(x, others[i]))
}

/**
 * Saves a model folder that transformers loads with the same logits: weights as f32 unless `dtype` says otherwise, in shards of at
 * most `maxShardBytes`, the tokenizer's files as they came. Edits of activations are listed in it; transformers does not know of them.
 * A new folder appears whole or not at all.
 *
 * throws  UserError when the disk refuses or the tokenizer's files are gone
 */
export async function saveCheckpoint(
  folder: string,
  checkpoint: Checkpoint,
  params: DecoderParams<Tensor> = checkpoint.params,
  options: { readonly dtype?: FloatType; readonly maxShardBytes?: number } = {},
): Promise<void> {
  let written: readonly string[] = []
  await writeFolder(folder, async (temporary) => {
    await writeCompanions(temporary, checkpoint, options.dtype)
    written = await writeShards(temporary, namedWeights(checkpoint.config, params), options)
    if (checkpoint.edits) await listEdits(temporary, checkpoint.edits, written)
  })
  await dropOtherEdits(folder, checkpoint.edits)
  // What was there in another number of shards would be read instead, or beside.
  for (const name of await readdir(folder))
    if (/^model(-\d+-of-\d+)?\.safetensors(\.index\.json)?$/.test(name) && !written.includes(name)) await rm(join(folder, name))
}

/**
 * Writes what lies beside a model's weights: config.json, generation_config.json and the tokenizer's files as they came.
 *
 * throws  UserError when the tokenizer's files are gone
 */
export async function writeCompanions(
  folder: string,
  { folder: source, config, eosIds }: Pick<Checkpoint, 'folder' | 'config' | 'eosIds'>,
  dtype: FloatType = 'f32',
): Promise<void> {
  const eos = eosIds.length === 1 ? eosIds[0] : eosIds
  const { model_type, architectures, ...shape } = writeConfig(config)
  const [before, generation] = await Promise.all(['config.json', 'generation_config.json'].map((name) => textOf(join(source, name))))
  const { rope_parameters: _, dtype: __, ...kept } = await jsonOf(join(source, 'config.json'))
  const named = config.reward ? { architectures } : {}
  const told = { model_type, architectures, ...kept, ...named, ...shape, torch_dtype: dtypes[dtype], eos_token_id: eos }
  await writeConfigFile(join(folder, 'config.json'), told, before)
  const how = { ...(await jsonOf(join(source, 'generation_config.json'))), eos_token_id: eos }
  await writeConfigFile(join(folder, 'generation_config.json'), how, generation)
  for (const name of tokenizerFiles)
    if (name === 'tokenizer.json' || (await exists(join(source, name)))) await copyTokenizer(join(source, name), join(folder, name))
}

const dtypes: Record<FloatType, string> = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' }

async function copyTokenizer(from: string, to: string) {
  await copyFile(from, to).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause
    throw new UserError(`${from}: the tokenizer must still lie where the model was loaded from, got no such file; put it back`, { cause })
  })
}

/** Every tensor by its Hugging Face name, as it is stored. */
export function namedWeights(config: DecoderConfig, params: DecoderParams<Tensor>): [string, Tensor][] {
  const given = new Map(leaves(params, isTensor))
  return fileTensors(config).map((stored) => [
    stored.name,
    pack(
      stored,
      stored.parts.map(({ path, shape }) => part(path, shape)),
    ),
  ])

  function part(path: string, shape: Shape): Tensor {
    const tensor = given.get(path)
    if (tensor && sameShape(tensor.shape, shape)) return tensor
    throw new Error(`internal: ${path} must be ${show({ dtype: 'f32', shape })}, got ${tensor ? show(tensor) : 'nothing'}`)
  }
}

function textOf(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(() => undefined)
}

async function jsonOf(file: string): Promise<Record<string, unknown>> {
  return (await exists(file)) ? readJson(file, anyObject, remedy) : {}
}
