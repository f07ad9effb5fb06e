import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { sameShape, show, type Tensor, UserError } from '../graph/index.ts'
import { readJson } from '../text/json.ts'
import type { DecoderConfig } from './config.ts'
import type { Adapters } from './decoder.ts'
import { writeFolder } from './folder.ts'
import { linearLayers } from './lora.ts'
import { decoderParams } from './params.ts'
import { readSafetensors, writeSafetensors } from './safetensors.ts'

const configFile = 'adapter_config.json'
const weightsFile = 'adapter_model.safetensors'
const remedy = 'load an adapter that PEFT saved as plain LoRA on linear layers'

/**
 * Saves adapters as PEFT does, to be loaded by `PeftModel.from_pretrained(model, folder)`. A new folder appears whole or not at all.
 *
 * throws  UserError when the disk refuses
 * source  PEFT 0.21, adapter_config.json and adapter_model.safetensors
 */
export async function saveAdapters(folder: string, adapters: Adapters<Tensor>, baseModel?: string): Promise<void> {
  const paths = Object.keys(adapters.layers)
  const ranks = new Set(Object.values(adapters.layers).map(({ a }) => a.shape[0]!))
  const [rank] = ranks
  if (rank === undefined || ranks.size > 1)
    throw new Error(`internal: adapters must have one rank, got ${[...ranks].join(', ') || 'no layers'}`)
  const config = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: baseModel ?? null,
    inference_mode: true,
    r: rank,
    // A scale that is alpha / rank gives alpha back to the last digit that anyone wrote.
    lora_alpha: Number((adapters.scale * rank).toPrecision(12)),
    lora_dropout: 0,
    target_modules: targetModules(paths),
    bias: 'none',
    fan_in_fan_out: false,
    init_lora_weights: true,
    modules_to_save: null,
    rank_pattern: {},
    alpha_pattern: {},
    use_rslora: false,
    use_dora: false,
  }
  await writeFolder(folder, async (temporary) => {
    await writeFile(join(temporary, configFile), `${JSON.stringify(config, null, 2)}\n`)
    const tensors = paths.flatMap((path): [string, Tensor][] => {
      const { a, b } = adapters.layers[path]!
      return [
        [storedName(path, 'A'), a],
        [storedName(path, 'B'), b],
      ]
    })
    await writeSafetensors(join(temporary, weightsFile), tensors)
  })
}

/** `blocks.0.attn.q` → `model.layers.0.self_attn.q_proj`. */
function moduleName(path: string): string {
  const [, block, inner] = /^blocks\.(\d+)\.(.+)$/.exec(path)!
  return `model.layers.${block}.${Object.values(linearLayers).find((layer) => layer.path === inner)!.name}`
}

function storedName(path: string, factor: 'A' | 'B'): string {
  return `base_model.model.${moduleName(path)}.lora_${factor}.weight`
}

/** The short names when every block has the same layers, otherwise whole ones: PEFT takes a short name in every block. */
function targetModules(paths: readonly string[]): string[] {
  const modules = paths.map(moduleName)
  const short = [...new Set(modules.map((name) => name.split('.').at(-1)!))]
  const blocks = new Set(paths.map((path) => path.split('.')[1]))
  return (short.length * blocks.size === paths.length ? short : modules).sort()
}

const none = (value: unknown) =>
  value == null || value === false || value === 'none' || (typeof value === 'object' && Object.keys(value).length === 0)
const absent = z.unknown().refine(none, 'must be off')
const schema = z.looseObject({
  peft_type: z.literal('LORA'),
  r: z.int().positive(),
  lora_alpha: z.number(),
  use_rslora: z.boolean().nullish(),
  // Other ways to start move the base model's weights as well.
  init_lora_weights: z.union([z.boolean(), z.enum(['gaussian', 'orthogonal', 'eva'])]).nullish(),
  ...Object.fromEntries(
    [
      ['bias', 'lora_bias', 'fan_in_fan_out', 'modules_to_save', 'trainable_token_indices', 'target_parameters', 'layer_replication'],
      ['rank_pattern', 'alpha_pattern', 'use_dora', 'use_bdlora', 'alora_invocation_tokens', 'arrow_config', 'kasa_config'],
    ]
      .flat()
      .map((name) => [name, absent.optional()]),
  ),
})

/**
 * Loads adapters that PEFT, or saveAdapters, saved.
 *
 * throws  UserError for a file that is missing or malformed, a variant of LoRA other than the plain one (rank-stabilised included), and
 *         tensors that do not fit the model
 */
export async function loadAdapters(folder: string, config: DecoderConfig): Promise<Adapters<Tensor>> {
  const { r, lora_alpha: alpha, use_rslora: stabilised } = await readJson(join(folder, configFile), schema, remedy)
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
  const layers: Record<string, { a: Tensor; b: Tensor }> = {}
  decoderParams(config, (_, [out, width], path) => {
    if (!isLinear(path)) return
    const [a, b] = [storedName(path, 'A'), storedName(path, 'B')]
    if (found.has(a) || found.has(b)) layers[path] = { a: take(a, [r, width!]), b: take(b, [out!, r]) }
  })
  for (const name of found.keys())
    throw new UserError(
      `${where}: every tensor must belong to a linear layer of the ${config.layers} blocks, got ${name}; is it an adapter for another model?`,
    )
  if (Object.keys(layers).length === 0) throw new UserError(`${where}: must hold an adapter, got no tensor; ${remedy}`)
  return { scale: alpha / (stabilised ? Math.sqrt(r) : r), layers }
}

function isLinear(path: string): boolean {
  return Object.values(linearLayers).some((layer) => path.endsWith(`.${layer.path}`))
}
