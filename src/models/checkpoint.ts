import { createHash } from 'node:crypto'
import { access, copyFile, stat, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { z } from 'zod'
import { UserError } from '../graph/errors.ts'
import { leaves, type Nested, sameShape, show, type Tensor } from '../graph/tensor.ts'
import { readJson } from '../text/json.ts'
import { loadTokenizer, type Tokenizer } from '../text/tokenizer.ts'
import { type DecoderConfig, readConfig, writeConfig } from './config.ts'
import { writeFolder } from './folder.ts'
import { freshParams } from './fresh.ts'
import { type DecoderParams, decoderParams } from './params.ts'
import { readSafetensors, writeSafetensors } from './safetensors.ts'
import { stories15m } from './stories15m.ts'

/** A model as it lies in a folder that transformers loads too. */
export interface Checkpoint {
  readonly name: string
  readonly folder: string
  readonly config: DecoderConfig
  readonly params: DecoderParams<Tensor>
  readonly tokenizer: Tokenizer
  /** Ids that end a completion. */
  readonly eosIds: readonly number[]
  /** sha256 of the weights file, or of its shards one after the other. */
  readonly hash: string
}

/** Models that are known by name; each makes sure that its folder is there and says where. */
export const models: Record<string, { readonly folder: (onProgress: (line: string) => void) => Promise<string> }> = { stories15m }

const remedy = 'a model folder holds config.json, model.safetensors and tokenizer.json as transformers saves them'
const ids = z.union([z.int().nonnegative(), z.array(z.int().nonnegative())]).nullish()
const anyObject = z.looseObject({})

/**
 * Loads a model by name or folder.
 *
 * throws  UserError for an unknown name, a folder that lacks a file, another architecture, and tensors missing, extra or misshapen
 */
export async function loadCheckpoint(
  nameOrFolder: string,
  options: {
    readonly onProgress?: (line: string) => void
    /** Begin with fresh parameters of this seed; the folder then needs no weights. */
    readonly fresh?: number
  } = {},
): Promise<Checkpoint> {
  const known = Object.hasOwn(models, nameOrFolder) ? models[nameOrFolder] : undefined
  const folder = known ? await known.folder(options.onProgress ?? (() => {})) : await existingFolder(nameOrFolder)
  const configFile = join(folder, 'config.json')
  const json = await readJson(configFile, anyObject, remedy)
  const config = readConfig(configFile, json)
  const eosIds = await readEosIds(folder, configFile, json)
  const { params, hash } = options.fresh === undefined ? await readWeights(folder, config) : freshWeights(config, options.fresh)
  const tokenizer = await loadTokenizer(folder)
  if (tokenizer.vocabSize > config.vocabSize)
    throw new UserError(
      `${folder}: the tokenizer's ids must fit the ${config.vocabSize} rows of the embedding, got ${tokenizer.vocabSize} ids; are tokenizer.json and config.json of the same model?`,
    )
  return { name: known ? nameOrFolder : basename(resolve(folder)), folder, config, params, tokenizer, eosIds, hash }
}

async function existingFolder(path: string): Promise<string> {
  if ((await stat(path).catch(() => undefined))?.isDirectory()) return path
  throw new UserError(
    `model: must be ${Object.keys(models).join(', ')} or a folder, got ${JSON.stringify(path)}, which is neither; ${remedy}`,
  )
}

async function readEosIds(folder: string, configFile: string, json: object): Promise<number[]> {
  const schema = z.looseObject({ eos_token_id: ids })
  const generationFile = join(folder, 'generation_config.json')
  const generation = (await exists(generationFile)) ? await readJson(generationFile, schema, remedy) : {}
  const eos = generation.eos_token_id ?? schema.parse(json).eos_token_id
  if (eos == null || (Array.isArray(eos) && eos.length === 0))
    throw new UserError(`${configFile}: eos_token_id must say which token ends a text, got none; add it`)
  return [eos].flat()
}

/** Reads model.safetensors, or the shards that model.safetensors.index.json lists, into the nested parameters. */
async function readWeights(folder: string, config: DecoderConfig): Promise<{ params: DecoderParams<Tensor>; hash: string }> {
  const hash = createHash('sha256')
  const index = join(folder, 'model.safetensors.index.json')
  const single = join(folder, 'model.safetensors')
  const sharded = !(await exists(single)) && (await exists(index))
  const where = sharded ? index : single
  const found = new Map<string, Tensor>()
  for (const file of sharded ? await shardsOf(folder, index) : [single]) {
    for (const [name, tensor] of await readSafetensors(file, hash)) found.set(name, tensor)
  }
  const params = decoderParams(config, (name, shape): Tensor => {
    const tensor = found.get(name)
    found.delete(name)
    if (!tensor) throw new UserError(`${where}: ${name} must be there, got no such tensor; is config.json of another model?`)
    if (tensor.dtype !== 'f32' || !sameShape(tensor.shape, shape))
      throw new UserError(
        `${where}: ${name} must be ${show({ dtype: 'f32', shape })} by config.json, got ${show(tensor)}; is config.json of another model?`,
      )
    return tensor
  })
  for (const [name, tensor] of found) {
    // Rotary tables are computed, and older checkpoints of tied models store the embedding twice.
    if (name.endsWith('.rotary_emb.inv_freq')) continue
    if (config.tied && name === 'lm_head.weight' && sameNumbers(tensor, params.embed)) continue
    throw new UserError(
      `${where}: every tensor must belong to a Llama of ${config.layers} layers, got ${name} too; is config.json of another model?`,
    )
  }
  return { params, hash: hash.digest('hex') }
}

function freshWeights(config: DecoderConfig, seed: number): { params: DecoderParams<Tensor>; hash: string } {
  const hash = createHash('sha256').update(JSON.stringify({ config, seed })).digest('hex')
  return { params: freshParams(config, seed), hash }
}

async function shardsOf(folder: string, index: string): Promise<string[]> {
  const name = z.string().regex(/^[^/\\]+\.safetensors$/, 'must be the name of a safetensors file in the same folder')
  const { weight_map: map } = await readJson(index, z.object({ weight_map: z.record(z.string(), name) }), remedy)
  return [...new Set(Object.values(map))].sort().map((shard) => join(folder, shard))
}

function sameNumbers(a: Tensor, b: Tensor): boolean {
  return sameShape(a.shape, b.shape) && a.data.every((x, i) => Object.is(x, b.data[i]))
}

/**
 * Saves a model folder that transformers loads with the same logits: weights as f32, the tokenizer's files as they came.
 * A new folder appears whole or not at all.
 *
 * throws  UserError when the disk refuses or the tokenizer's files are gone
 */
export async function saveCheckpoint(
  folder: string,
  checkpoint: Checkpoint,
  params: DecoderParams<Tensor> = checkpoint.params,
): Promise<void> {
  const source = checkpoint.folder
  const eos = checkpoint.eosIds.length === 1 ? checkpoint.eosIds[0] : checkpoint.eosIds
  const { model_type, architectures, ...shape } = writeConfig(checkpoint.config)
  const { rope_parameters: _, dtype: __, ...config } = await jsonOf(join(source, 'config.json'))
  const generation = await jsonOf(join(source, 'generation_config.json'))
  await writeFolder(folder, async (temporary) => {
    const write = (name: string, json: object) => writeFile(join(temporary, name), `${JSON.stringify(json, null, 2)}\n`)
    await write('config.json', { model_type, architectures, ...config, ...shape, eos_token_id: eos })
    await write('generation_config.json', { ...generation, eos_token_id: eos })
    await writeSafetensors(join(temporary, 'model.safetensors'), namedWeights(checkpoint.config, params))
    for (const name of tokenizerFiles) {
      if (name === 'tokenizer.json' || (await exists(join(source, name)))) await copyTokenizer(join(source, name), join(temporary, name))
    }
  })
}

const tokenizerFiles = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'tokenizer.model',
  'chat_template.jinja',
]

async function copyTokenizer(from: string, to: string) {
  await copyFile(from, to).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause
    throw new UserError(`${from}: the tokenizer must still lie where the model was loaded from, got no such file; put it back`, { cause })
  })
}

function namedWeights(config: DecoderConfig, params: DecoderParams<Tensor>): [string, Tensor][] {
  const isTensor = (x: Nested<Tensor>): x is Tensor => 'data' in x && ArrayBuffer.isView(x.data)
  const given = new Map(leaves(params as unknown as Nested<Tensor>, isTensor))
  const named: [string, Tensor][] = []
  decoderParams(config, (name, shape, path) => {
    const tensor = given.get(path)
    if (!tensor || !sameShape(tensor.shape, shape))
      throw new Error(`internal: ${path} must be ${show({ dtype: 'f32', shape })}, got ${tensor ? show(tensor) : 'nothing'}`)
    named.push([name, tensor])
  })
  return named
}

async function jsonOf(file: string): Promise<Record<string, unknown>> {
  return (await exists(file)) ? readJson(file, anyObject, remedy) : {}
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}
