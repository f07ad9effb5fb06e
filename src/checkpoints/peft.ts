import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { readJson } from '../files/json.ts'
import { writeFolder } from '../files/write-folder.ts'
import { sameShape, show, type Tensor, tensor, UserError, zeros } from '../graph/index.ts'
import type { Adapter, Adapters } from '../models/adapters.ts'
import type { DecoderConfig } from '../models/config.ts'
import { linearLayers } from '../models/lora.ts'
import { type FileTensor, fileTensors, pack, unpack } from '../models/tensor-names.ts'
import { readSafetensors, writeSafetensors } from './safetensors.ts'

const configFile = 'adapter_config.json'
const weightsFile = 'adapter_model.safetensors'
const remedy = 'load an adapter that PEFT saved as LoRA or DoRA on linear layers'

/**
 * Saves the adapters of a model as PEFT does, to be loaded by `PeftModel.from_pretrained(model, folder)`. A new folder appears whole or not at all.
 *
 * Where a family stores several layers as one, their adapters become one of the sum of their ranks: the factors a one below the other, each b
 * in its own rows and columns. That is the same change of the weights.
 *
 * throws  UserError when the disk refuses
 * source  PEFT 0.21, adapter_config.json and adapter_model.safetensors
 */
export async function saveAdapters(
  folder: string,
  adapters: Adapters<Tensor>,
  { name, config: model }: { readonly name?: string; readonly config: DecoderConfig },
): Promise<void> {
  const ranks = new Set(Object.values(adapters.layers).map(({ a }) => a.shape[0]!))
  const [rank] = ranks
  if (rank === undefined || ranks.size > 1)
    throw new Error(`internal: adapters must have one rank, got ${[...ranks].join(', ') || 'no layers'}`)
  const modules = adapted(model).flatMap((stored) => {
    const joined = joinedOf(stored, adapters)
    return joined ? [{ stored, joined }] : []
  })
  const alphaOf = (r: number) => Number((adapters.scale * (adapters.rslora ? Math.sqrt(r) : r)).toPrecision(12))
  const wider = modules.filter(({ joined }) => joined.a.shape[0] !== rank)
  const pattern = (value: (r: number) => number) =>
    Object.fromEntries(wider.map(({ stored, joined }) => [moduleOf(stored), value(joined.a.shape[0]!)]))
  const config = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: name ?? null,
    inference_mode: true,
    r: rank,
    // A scale that is alpha / rank gives alpha back to the last digit that anyone wrote.
    lora_alpha: alphaOf(rank),
    lora_dropout: adapters.dropout ?? 0,
    ...targetsOf(
      modules.map(({ stored }) => stored),
      model.layers,
    ),
    bias: 'none',
    fan_in_fan_out: modules.some(({ stored }) => stored.transposed),
    init_lora_weights: true,
    modules_to_save: null,
    rank_pattern: pattern((r) => r),
    alpha_pattern: pattern(alphaOf),
    use_rslora: adapters.rslora ?? false,
    use_dora: Object.values(adapters.layers).some(({ magnitude }) => magnitude),
  }
  await writeFolder(folder, async (temporary) => {
    await writeFile(join(temporary, configFile), `${JSON.stringify(config, null, 2)}\n`)
    const tensors = modules.flatMap(({ stored, joined }) =>
      Object.entries(joined).map(([part, factor]): [string, Tensor] => [tensorName(stored, part as Part), factor]),
    )
    await writeSafetensors(join(temporary, weightsFile), tensors)
  })
}

/** The stored tensors that are linear layers inside the blocks. */
function adapted(config: DecoderConfig): FileTensor[] {
  return fileTensors(config).filter(({ parts }) => parts.every(({ path, shape }) => isLinear(path) && shape.length === 2))
}

function moduleOf({ name }: FileTensor): string {
  return name.replace(/\.weight$/, '')
}

const named = { a: 'lora_A.weight', b: 'lora_B.weight', magnitude: 'lora_magnitude_vector' } as const
type Part = keyof typeof named

function tensorName(stored: FileTensor, part: Part): string {
  return `base_model.model.${moduleOf(stored)}.${named[part]}`
}

/** A tensor that is not transposed, whatever the weights are: PEFT's factors lie as a linear layer's do. */
function rowsOf(stored: FileTensor, width: number): FileTensor {
  const parts = stored.parts.map(({ path, shape }) => ({ path, shape: [shape[0]!, width] }))
  return { ...stored, parts, transposed: false, shape: [parts.reduce((n, { shape }) => n + shape[0]!, 0), width] }
}

/** The adapter of a stored tensor, made of those of the layers in it; undefined when none of them has one. */
function joinedOf(stored: FileTensor, { layers }: Adapters<Tensor>): Adapter<Tensor> | undefined {
  const [only] = stored.parts
  if (stored.parts.length === 1) return layers[only!.path]
  const mine = stored.parts.map(({ path }) => layers[path])
  const some = mine.filter((layer) => layer !== undefined)
  if (some.length === 0) return undefined
  const [rank, width] = some[0]!.a.shape as [number, number]
  const total = rank * some.length
  const a = tensor(Float32Array.from(some.flatMap((layer) => Array.from(layer.a.data))), [total, width])
  let column = 0
  const blocks = stored.parts.map(({ shape }, i) => {
    const wide = zeros([shape[0]!, total])
    const layer = mine[i]
    if (!layer) return wide
    for (let row = 0; row < shape[0]!; row++) wide.data.set(layer.b.data.subarray(row * rank, (row + 1) * rank), row * total + column)
    column += rank
    return wide
  })
  const b = pack(rowsOf(stored, total), blocks)
  if (!some[0]!.magnitude) return { a, b }
  if (some.length < mine.length)
    throw new UserError(
      `adapters: DoRA on ${stored.name} must be on all the layers that are stored in it, got ${some.length} of ${mine.length}; PEFT has one vector of norms for them`,
    )
  const norms = pack(
    rowsOf(stored, 1),
    mine.map((layer) => tensor(layer!.magnitude!.data, [layer!.b.shape[0]!, 1])),
  )
  return { a, b, magnitude: tensor(norms.data, [norms.shape[0]!]) }
}

/** The short names when every adapted block has the same layers, with the blocks where they are not all; otherwise whole names. */
function targetsOf(stored: readonly FileTensor[], blocks: number) {
  const modules = stored.map(moduleOf)
  const last = (module: string) => module.split('.').at(-1)!
  const block = (module: string) => Number(/\.(\d+)\./.exec(module)![1])
  const short = [...new Set(modules.map(last))].sort()
  const inside = new Set(modules.map((module) => module.replace(/\.\d+\./, '.*.')))
  const some = [...new Set(modules.map(block))].sort((a, b) => a - b)
  // A short name stands for every module that ends so, as c_proj does for two in a block of GPT-2.
  const plain = short.length === inside.size && inside.size * some.length === modules.length
  if (!plain) return { target_modules: modules.sort(), layers_to_transform: null }
  return { target_modules: short, layers_to_transform: some.length < blocks ? some : null }
}

const none = (value: unknown) =>
  value == null || value === false || value === 'none' || (typeof value === 'object' && Object.keys(value).length === 0)
const absent = z.unknown().refine(none, 'must be off')
const schema = z.looseObject({
  peft_type: z.literal('LORA'),
  r: z.int().positive(),
  lora_alpha: z.number(),
  fan_in_fan_out: z.boolean().nullish(),
  rank_pattern: z.record(z.string(), z.int().positive()).nullish(),
  alpha_pattern: z.record(z.string(), z.number()).nullish(),
  use_rslora: z.boolean().nullish(),
  use_dora: z.boolean().nullish(),
  lora_dropout: z.number().min(0).max(1).nullish(),
  // Other ways to start move the base model's weights as well.
  init_lora_weights: z.union([z.boolean(), z.enum(['gaussian', 'orthogonal', 'eva'])]).nullish(),
  ...Object.fromEntries(
    [
      ['bias', 'lora_bias', 'modules_to_save', 'trainable_token_indices', 'target_parameters', 'layer_replication'],
      ['use_bdlora', 'alora_invocation_tokens', 'arrow_config', 'kasa_config'],
    ]
      .flat()
      .map((name) => [name, absent.optional()]),
  ),
})

/**
 * Loads adapters that PEFT, or saveAdapters, saved: LoRA, rank-stabilised LoRA and DoRA.
 *
 * throws  UserError for a file that is missing or malformed, another variant, and tensors that do not fit the model
 */
export async function loadAdapters(folder: string, config: DecoderConfig): Promise<Adapters<Tensor>> {
  const read = await readJson(join(folder, configFile), schema, remedy)
  const { r, lora_alpha: alpha, use_rslora: rslora, use_dora: dora, lora_dropout: dropout } = read
  const where = join(folder, weightsFile)
  const found = await readSafetensors(where)
  const take = (name: string, shape: readonly number[]) => {
    const factor = found.get(name)
    found.delete(name)
    if (factor?.dtype === 'f32' && sameShape(factor.shape, shape)) return factor
    throw new UserError(
      `${where}: ${name} must be ${show({ dtype: 'f32', shape })}, got ${factor ? show(factor) : 'no such tensor'}; is it an adapter for another model?`,
    )
  }
  const scaleOf = (rank: number, of: number) => of / (rslora ? Math.sqrt(rank) : rank)
  const scale = scaleOf(r, alpha)
  const layers: Record<string, Adapter<Tensor>> = {}
  for (const stored of adapted(config)) {
    const module = moduleOf(stored)
    const rank = patterned(read.rank_pattern, module) ?? r
    const mine = scaleOf(rank, patterned(read.alpha_pattern, module) ?? alpha)
    const [out, width] = [stored.parts.reduce((n, { shape }) => n + shape[0]!, 0), stored.parts[0]!.shape[1]!]
    const shapes = { a: [rank, width], b: [out, rank], ...(dora ? { magnitude: [out] } : {}) }
    const parts = Object.entries(shapes).map(([part, shape]) => [part, tensorName(stored, part as Part), shape] as const)
    if (!parts.some(([, name]) => found.has(name))) continue
    if (Math.abs(mine / scale - 1) > 1e-9)
      throw new UserError(`${join(folder, configFile)}: alpha / rank must be ${scale} on every layer, got ${mine} on ${module}; ${remedy}`)
    const whole = Object.fromEntries(parts.map(([part, name, shape]) => [part, take(name, shape)])) as unknown as Adapter<Tensor>
    const bs = unpack(rowsOf(stored, rank), whole.b)
    const norms = whole.magnitude && unpack(rowsOf(stored, 1), tensor(whole.magnitude.data, [out, 1]))
    for (const [i, { path }] of stored.parts.entries())
      layers[path] = { a: whole.a, b: bs[i]!, ...(norms ? { magnitude: tensor(norms[i]!.data, [norms[i]!.shape[0]!]) } : {}) }
  }
  for (const name of found.keys())
    throw new UserError(
      `${where}: every tensor must belong to a linear layer of the ${config.layers} blocks, got ${name}; is it an adapter for another model?`,
    )
  if (Object.keys(layers).length === 0) throw new UserError(`${where}: must hold an adapter, got no tensor; ${remedy}`)
  return { scale, layers, ...(rslora ? { rslora } : {}), ...(dropout ? { dropout } : {}) }
}

/** A pattern's value for a module, by its name or the end of it. */
function patterned(pattern: Readonly<Record<string, number>> | null | undefined, module: string): number | undefined {
  return Object.entries(pattern ?? {}).find(([name]) => module === name || module.endsWith(`.${name}`))?.[1]
}

function isLinear(path: string): boolean {
  return Object.values(linearLayers).some((layer) => path.endsWith(`.${layer.path}`))
}
