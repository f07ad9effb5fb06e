import { type Checkpoint, type GgufType, loadCheckpoint, saveCheckpoint, saveGguf } from '../checkpoints/index.ts'
import { UserError } from '../graph/errors.ts'
import { saveOnnx } from '../policy/index.ts'
import { command, integer, oneOf, text } from './command.ts'
import { editFlag } from './edit-flag.ts'

interface Format {
  /** How weights may be written; the first is the default. */
  readonly types: readonly string[]
  /** `type` is one of the types. */
  save(out: string, checkpoint: Checkpoint, type: never, maxShardBytes?: number): Promise<void>
}

const formats: Record<'safetensors' | 'onnx' | 'gguf', Format> = {
  safetensors: {
    types: ['f32', 'f16', 'bf16'],
    save: (out, checkpoint, dtype: 'f32' | 'f16' | 'bf16', maxShardBytes) =>
      saveCheckpoint(out, checkpoint, undefined, { dtype, ...(maxShardBytes ? { maxShardBytes } : {}) }),
  },
  onnx: { types: ['f32'], save: (out, checkpoint) => saveOnnx(out, checkpoint) },
  gguf: { types: ['f16', 'q8_0', 'q4_0'], save: (out, checkpoint, type: GgufType) => saveGguf(out, checkpoint, { type }) },
}

/** Writes a model in another format; what is written loads in transformers, llama.cpp or transformers.js. */
export const convert = command({
  name: 'convert',
  about: 'Write a model as a folder of safetensors or ONNX, or, when OUT ends in .gguf, as one GGUF file.',
  args: { model: text('model by name, folder or GGUF file'), out: text('folder, or file that ends in .gguf') },
  flags: {
    format: oneOf('of a folder: safetensors when left out, onnx for transformers.js', ['safetensors', 'onnx']),
    dtype: oneOf('weights: f32, f16 or bf16 in safetensors (f32 when left out), f32 in ONNX, f16, q8_0 or q4_0 in a GGUF file (f16)', [
      'f32',
      'f16',
      'bf16',
      'q8_0',
      'q4_0',
    ]),
    ...editFlag,
    maxShard: integer('largest file of safetensors', { unit: 'megabytes', min: 1 }),
  },
  examples: [
    'convert stories5m stories5m.gguf --dtype q8_0',
    'convert stories5m stories5m-bf16 --dtype bf16 --max-shard 1000 --json',
    'convert stories5m stories5m-onnx --format onnx',
  ],

  async action({ model, out, format, dtype, maxShard, edit }, screen) {
    if (out.endsWith('.gguf') && format !== undefined)
      throw new UserError(`convert --format: a .gguf file has its own, got ${format} for ${out}; leave it out, or name a folder`)
    const kind = out.endsWith('.gguf') ? 'gguf' : (format ?? 'safetensors')
    const { types, save } = formats[kind]
    const type = dtype ?? types[0]!
    if (!types.includes(type))
      throw new UserError(`convert --dtype: must be ${types.join(' or ')} for ${kind}, got ${type}; choose one, or another format`)
    if (kind !== 'safetensors' && maxShard !== undefined)
      throw new UserError(`convert --max-shard: only safetensors have shards, got ${maxShard} for ${kind}; leave it out`)
    const checkpoint = await loadCheckpoint(model, { onProgress: screen.note, edit, identities: true })
    await save(out, checkpoint, type as never, maxShard && maxShard * 1e6)
    screen.emit({ model: checkpoint.name, out, dtype: type })
    if (kind === 'safetensors' && checkpoint.edits)
      screen.note(
        `${out}: ${checkpoint.edits.map(({ name }) => name).join(', ')} acts on activations; Innate runs the folder under it, transformers does not`,
      )
    screen.line(out)
  },
})
