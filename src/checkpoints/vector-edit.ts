import { basename } from 'node:path'
import { hashFile } from '../files/hash.ts'
import { UserError } from '../graph/errors.ts'
import { type Tensor, tensor } from '../graph/tensor.ts'
import type { DecoderConfig } from '../models/config.ts'
import { type EditFile, editTarget, isOfWeights, makeEdit } from './edit-file.ts'
import { readControlVector, writeControlVector } from './gguf/control-vector.ts'

/** llama.cpp's names of families, for its model_hint. */
const hints: Readonly<Record<string, string>> = { gemma3_text: 'gemma3', gpt_neox: 'gptneox', mistral: 'llama' }

/**
 * A control vector of llama.cpp as an edit: each direction is added after its block, at all positions. It says nothing of weights, and of the architecture
 * only its name and its width.
 *
 * throws  UserError for another width, more blocks, or the name of another architecture
 */
export async function vectorAsEdit(file: string, config: DecoderConfig): Promise<EditFile> {
  const { model, directions } = await readControlVector(file)
  const family = hints[config.family] ?? config.family
  const most = Math.max(...directions.keys())
  const [width] = [...directions.values()].map(({ shape: [d] }) => d!)
  if ((model !== '' && model !== family) || most >= config.layers || width !== config.hiddenSize)
    throw new UserError(
      `${file}: a control vector must be for a ${family} of ${config.layers} blocks and width ${config.hiddenSize}, got one for ${model || 'any'}, after block ${most}, of width ${width}; make it with this model`,
    )
  const layers = [...directions.keys()]
  const edit = makeEdit({
    name: basename(file),
    for: editTarget(config),
    acts: layers.map((l) => ({ kind: 'add', at: [`blocks.${l}.out`], direction: `direction.${l}`, strength: 1 })),
    tensors: Object.fromEntries([...directions].map(([l, direction]) => [`direction.${l}`, direction])),
  })
  return { ...edit, sha256: await hashFile(file) }
}

/**
 * Writes an edit as a control vector of llama.cpp, strengths multiplied in.
 *
 * throws  UserError for an edit that does more than add directions after blocks, at all positions
 */
export async function writeVector(file: string, edit: EditFile): Promise<void> {
  const directions = new Map<number, Tensor>()
  for (const act of edit.acts) {
    const layer = !isOfWeights(act) && act.at.length === 1 ? /^blocks\.(\d+)\.out$/.exec(act.at[0]!)?.[1] : undefined
    const given = act.kind === 'add' ? edit.tensors[act.direction]! : undefined
    if (act.kind !== 'add' || layer === undefined || act.positions !== 'all' || given?.shape.length !== 1)
      throw new UserError(
        `${file}: a control vector must add directions after blocks at all positions, got ${edit.name}, which does more; write a safetensors file`,
      )
    const before = directions.get(Number(layer))
    directions.set(Number(layer), tensor(Float32Array.from(given.data, (x, i) => act.strength * x + (before?.data[i] ?? 0)), given.shape)) // biome-ignore format: one line
  }
  await writeControlVector(file, { model: hints[edit.for.family] ?? edit.for.family, directions })
}
