import { join } from 'node:path'
import { z } from 'zod'
import { readJson } from '../files/json.ts'
import { sameShape, show, type Tensor, tensor, UserError } from '../graph/index.ts'
import type { Adapter, Adapters } from '../models/adapters.ts'
import type { DecoderConfig } from '../models/config.ts'
import { fileTensors, unpack } from '../models/tensor-names.ts'
import { patternValues } from './module-pattern.ts'
import { adapted, configFile, moduleOf, type Part, rowsOf, tensorName, weightsFile } from './peft.ts'
import { readSafetensors } from './safetensors.ts'

const remedy = "load an adapter that PEFT saved as LoRA or DoRA on linear layers, or merge it with PEFT's merge_and_unload"

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
      ['use_bdlora', 'alora_invocation_tokens', 'arrow_config', 'kasa_config', 'use_qalora', 'monteclora_config'],
    ]
      .flat()
      .map((name) => [name, absent.optional()]),
  ),
})
// What has no bearing on what an adapter computes, or is told by its tensors.
const silent = new Set([
  ...['task_type', 'auto_mapping', 'peft_version', 'base_model_name_or_path', 'revision', 'inference_mode', 'target_modules'],
  ...['exclude_modules', 'layers_to_transform', 'layers_pattern', 'megatron_config', 'megatron_core', 'loftq_config', 'eva_config'],
  ...['corda_config', 'lora_ga_config', 'velora_config', 'qalora_group_size', 'runtime_config', 'ensure_weight_tying'],
])

/**
 * Loads adapters that PEFT, or saveAdapters, saved: LoRA, rank-stabilised LoRA and DoRA.
 *
 * throws  UserError for a file that is missing or malformed, another variant, and tensors that do not fit the model
 * limits  where alpha / rank differs between layers, what a layer has more than the first is multiplied into its b
 */
export async function loadAdapters(folder: string, config: DecoderConfig): Promise<Adapters<Tensor>> {
  const file = join(folder, configFile)
  const read = await readJson(file, schema, remedy)
  const unknown = Object.entries(read).find(([name, value]) => !(name in schema.shape || silent.has(name) || none(value)))
  if (unknown)
    throw new UserError(`${file}: ${unknown[0]} must be off, since it is not known here, got ${JSON.stringify(unknown[1])}; ${remedy}`)
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
  const linear = adapted(config)
  const valuesOf = (field: 'rank_pattern' | 'alpha_pattern') => patternValues(`${file}: ${field}`, read[field], linear.map(moduleOf))
  const [ranks, alphas] = [valuesOf('rank_pattern'), valuesOf('alpha_pattern')]
  let scale: number | undefined
  const layers: Record<string, Adapter<Tensor>> = {}
  for (const stored of linear) {
    const module = moduleOf(stored)
    const rank = ranks.get(module) ?? r
    const mine = scaleOf(rank, alphas.get(module) ?? alpha)
    const [out, width] = [stored.parts.reduce((n, { shape }) => n + shape[0]!, 0), stored.parts[0]!.shape[1]!]
    const shapes = { a: [rank, width], b: [out, rank], ...(dora ? { magnitude: [out] } : {}) }
    const parts = Object.entries(shapes).map(([part, shape]) => [part, tensorName(stored, part as Part), shape] as const)
    if (!parts.some(([, name]) => found.has(name))) continue
    const whole = Object.fromEntries(parts.map(([part, name, shape]) => [part, take(name, shape)])) as unknown as Adapter<Tensor>
    scale ??= mine
    const bs = unpack(rowsOf(stored, rank), times(whole.b, mine / scale))
    const norms = whole.magnitude && unpack(rowsOf(stored, 1), tensor(whole.magnitude.data, [out, 1]))
    for (const [i, { path }] of stored.parts.entries())
      layers[path] = { a: whole.a, b: bs[i]!, ...(norms ? { magnitude: tensor(norms[i]!.data, [norms[i]!.shape[0]!]) } : {}) }
  }
  for (const name of found.keys()) refuseTensor(where, name, config)
  if (scale === undefined) throw new UserError(`${where}: must hold an adapter, got no tensor; ${remedy}`)
  return { scale, layers, ...(rslora ? { rslora } : {}), ...(dropout ? { dropout } : {}) }
}

function times(tensor: Tensor, factor: number): Tensor {
  return Math.abs(factor - 1) < 1e-9 ? tensor : { ...tensor, data: Float32Array.from(tensor.data, (x) => x * factor) }
}

/** Says what a tensor is that is not of a linear layer in a block: most often the embedding, or the head, was adapted or saved too. */
function refuseTensor(where: string, name: string, config: DecoderConfig): never {
  const module = name.replace(/^base_model\.model\./, '').replace(/\.(lora_\w+|base_layer|modules_to_save)(\.\w+)*$|\.weight$/, '')
  // A tied head is not stored, and can be adapted nevertheless.
  const known = /lora_embedding|\b(lm_head|embed_out)\b/.test(name) || fileTensors(config).some((stored) => moduleOf(stored) === module)
  if (known)
    throw new UserError(
      `${where}: an adapter must be on linear layers inside the blocks, got ${name}, which is the embedding's, the head's or a norm's; train it without that layer among target_modules and modules_to_save, or merge it with PEFT's merge_and_unload`,
    )
  throw new UserError(
    `${where}: every tensor must belong to a linear layer of the ${config.layers} blocks, got ${name}; is it an adapter for another model?`,
  )
}
