import { UserError } from '../graph/errors.ts'
import { loadCheckpoint, saveCheckpoint, saveGguf } from '../models/index.ts'
import { command, integer, oneOf, text } from './command.ts'

const folderTypes = ['f32', 'f16', 'bf16'] as const
const fileTypes = ['f16', 'q8_0'] as const

/** Writes a model in another format; what is written loads in transformers or llama.cpp, and here. */
export const convert = command({
  name: 'convert',
  about: 'Write a model as a folder of safetensors, or, when OUT ends in .gguf, as one GGUF file.',
  args: { model: text('model by name, folder or GGUF file'), out: text('folder, or file that ends in .gguf') },
  flags: {
    dtype: oneOf('weights: f32, f16 or bf16 in a folder (f32 when left out), f16 or q8_0 in a GGUF file (f16)', [...folderTypes, 'q8_0']),
    maxShard: integer('largest file of a folder', { unit: 'megabytes', min: 1 }),
  },
  examples: [
    'convert models/tiny models/tiny.gguf --dtype q8_0',
    'convert models/tiny models/tiny-bf16 --dtype bf16 --max-shard 1000 --json',
  ],

  async action({ model, out, dtype, maxShard }, screen) {
    const asFile = out.endsWith('.gguf')
    const types: readonly string[] = asFile ? fileTypes : folderTypes
    if (dtype !== undefined && !types.includes(dtype))
      throw new UserError(`convert --dtype: must be ${types.join(' or ')} for ${out}, got ${dtype}; choose one, or another OUT`)
    if (asFile && maxShard !== undefined)
      throw new UserError(`convert --max-shard: a GGUF file has no shards, got ${maxShard}; leave it out, or name a folder`)
    const checkpoint = await loadCheckpoint(model, { onProgress: screen.note })
    const type = dtype ?? (asFile ? 'f16' : 'f32')
    if (asFile) await saveGguf(out, checkpoint, { type: type as (typeof fileTypes)[number] })
    else
      await saveCheckpoint(out, checkpoint, undefined, {
        dtype: type as (typeof folderTypes)[number],
        ...(maxShard ? { maxShardBytes: maxShard * 1e6 } : {}),
      })
    screen.emit({ model: checkpoint.name, out, dtype: type })
    screen.line(out)
  },
})
