import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { sameShape, show, type Tensor, UserError } from '../graph/index.ts'
import { readJson } from '../text/json.ts'
import type { DecoderConfig } from './config.ts'
import type { Adapter, Adapters } from './decoder.ts'
import { writeFolder } from './folder.ts'
import { linearLayers } from './lora.ts'
import { decoderParams } from './params.ts'
import { readSafetensors, writeSafetensors } from './safetensors.ts'

const configFile = 'adapter_config.json'
const weightsFile = 'adapter_model.safetensors'
const remedy = 'load an adapter that PEFT saved as LoRA or DoRA on linear layers'

/**
 * Saves the adapters of a model of so many blocks as PEFT does, to be loaded by `PeftModel.from_pretrained(model, folder)`. A new folder
 * appears whole or not at all.
 *
 * throws  UserError when the disk refuses
 * source  PEFT 0.21, adapter_config.json and adapter_model.safetensors
 */
export async function saveAdapters(
  folder: string,
  adapters: Adapters<Tensor>,
  { name, blocks }: { readonly name?: string; readonly blocks: number },
): Promise<void> {
  const paths = Object.keys(adapters.layers)
  const ranks = new Set(Object.values(adapters.layers).map(({ a }) => a.shape[0]!))
  const [rank] = ranks
  if (rank === undefined || ranks.size > 1)
    throw new Error(`internal: adapters must have one rank, got ${[...ranks].join(', ') || 'no layers'}`)
  const config = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: name ?? null,
    inference_mode: true,
    r: rank,
    // A scale that is alpha / rank gives alpha back to the last digit that anyone wrote.
    lora_alpha: Number((adapters.scale * (adapters.rslora ? Math.sqrt(rank) : rank)).toPrecision(12)),
    lora_dropout: adapters.dropout ?? 0,
    ...targetsOf(paths, blocks),
    bias: 'none',
    fan_in_fan_out: false,
    init_lora_weights: true,
    modules_to_save: null,
    rank_pattern: {},
    alpha_pattern: {},
    use_rslora: adapters.rslora ?? false,
    use_dora: Object.values(adapters.layers).some(({ magnitude }) => magnitude),
  }
  await writeFolder(folder, async (temporary) => {
    await writeFile(join(temporary, configFile), `${JSON.stringify(config, null, 2)}\n`)
    const tensors = paths.flatMap((path) =>
      Object.entries(adapters.layers[path]!).map(([part, stored]): [string, Tensor] => [storedName(path, part as Part), stored]),
    )
    await writeSafetensors(join(temporary, weightsFile), tensors)
  })
}

/** `blocks.0.attn.q` → `model.layers.0.self_attn.q_proj`. */
function moduleName(path: string): string {
  const [, block, inner] = /^blocks\.(\d+)\.(.+)$/.exec(path)!
  return `model.layers.${block}.${Object.values(linearLayers).find((layer) => layer.path === inner)!.name}`
}

const stored = { a: 'lora_A.weight', b: 'lora_B.weight', magnitude: 'lora_magnitude_vector' } as const
type Part = keyof typeof stored

function storedName(path: string, part: Part): string {
  return `base_model.model.${moduleName(path)}.${stored[part]}`
}

/** The short names when every adapted block has the same layers, with the blocks where they are not all; otherwise whole names. */
function targetsOf(paths: readonly string[], blocks: number) {
  const modules = paths.map(moduleName)
  const short = [...new Set(modules.map((name) => name.split('.').at(-1)!))].sort()
  const adapted = [...new Set(paths.map((path) => Number(path.split('.')[1])))].sort((a, b) => a - b)
  if (short.length * adapted.length !== paths.length) return { target_modules: modules.sort(), layers_to_transform: null }
  return { target_modules: short, layers_to_transform: adapted.length < blocks ? adapted : null }
}

const none = (value: unknown) =>
  value == null || value === false || value === 'none' || (typeof value === 'object' && Object.keys(value).length === 0)
const absent = z.unknown().refine(none, 'must be off')
const schema = z.looseObject({
  peft_type: z.literal('LORA'),
  r: z.int().positive(),
  lora_alpha: z.number(),
  use_rslora: z.boolean().nullish(),
  use_dora: z.boolean().nullish(),
  lora_dropout: z.number().min(0).max(1).nullish(),
  // Other ways to start move the base model's weights as well.
  init_lora_weights: z.union([z.boolean(), z.enum(['gaussian', 'orthogonal', 'eva'])]).nullish(),
  ...Object.fromEntries(
    [
      ['bias', 'lora_bias', 'fan_in_fan_out', 'modules_to_save', 'trainable_token_indices', 'target_parameters', 'layer_replication'],
      ['rank_pattern', 'alpha_pattern', 'use_bdlora', 'alora_invocation_tokens', 'arrow_config', 'kasa_config'],
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
  const layers: Record<string, Adapter<Tensor>> = {}
  decoderParams(config, (_, [out, width], path) => {
    if (!isLinear(path)) return
    const shapes = { a: [r, width!], b: [out!, r], ...(dora ? { magnitude: [out!] } : {}) }
    const parts = Object.entries(shapes).map(([part, shape]) => [part, storedName(path, part as Part), shape] as const)
    if (parts.some(([, name]) => found.has(name)))
      layers[path] = Object.fromEntries(parts.map(([part, name, shape]) => [part, take(name, shape)])) as unknown as Adapter<Tensor>
  })
  for (const name of found.keys())
    throw new UserError(
      `${where}: every tensor must belong to a linear layer of the ${config.layers} blocks, got ${name}; is it an adapter for another model?`,
    )
  if (Object.keys(layers).length === 0) throw new UserError(`${where}: must hold an adapter, got no tensor; ${remedy}`)
  const scale = alpha / (rslora ? Math.sqrt(r) : r)
  return { scale, layers, ...(rslora ? { rslora } : {}), ...(dropout ? { dropout } : {}) }
}

function isLinear(path: string): boolean {
  return Object.values(linearLayers).some((layer) => path.endsWith(`.${layer.path}`))
}
