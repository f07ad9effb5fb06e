import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFolder } from '../files/write.ts'
import { type Tensor, tensor, UserError, zeros } from '../graph/index.ts'
import type { Adapter, Adapters } from '../models/adapters.ts'
import type { DecoderConfig } from '../models/config.ts'
import { linearLayers } from '../models/lora.ts'
import { type FileTensor, fileTensors, pack } from '../models/tensor-names.ts'
import { writeSafetensors } from './write-safetensors.ts'

export const configFile = 'adapter_config.json'
export const weightsFile = 'adapter_model.safetensors'

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
  const rank = Object.values(adapters.layers)[0]?.a.shape[0]
  if (rank === undefined) throw new Error('internal: adapters must be on some layer, got none')
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
export function adapted(config: DecoderConfig): FileTensor[] {
  return fileTensors(config).filter(({ parts }) => parts.every(({ path, shape }) => isLinear(path) && shape.length === 2))
}

export function moduleOf({ name }: FileTensor): string {
  return name.replace(/\.weight$/, '')
}

const named = { a: 'lora_A.weight', b: 'lora_B.weight', magnitude: 'lora_magnitude_vector' } as const
export type Part = keyof typeof named

export function tensorName(stored: FileTensor, part: Part): string {
  return `base_model.model.${moduleOf(stored)}.${named[part]}`
}

/** A tensor that is not transposed, whatever the weights are: PEFT's factors lie as a linear layer's do. */
export function rowsOf(stored: FileTensor, width: number): FileTensor {
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

function isLinear(path: string): boolean {
  return Object.values(linearLayers).some((layer) => path.endsWith(`.${layer.path}`))
}
