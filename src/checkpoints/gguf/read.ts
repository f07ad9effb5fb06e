import { createHash, type Hash } from 'node:crypto'
import { checkState, fileState, lazyTensor, readBytes } from '../../files/lazy-tensor.ts'
import { UserError } from '../../graph/errors.ts'
import { sizeOf, type Tensor } from '../../graph/tensor.ts'
import { LEAST_LAZY } from '../read-shards.ts'
import { type Architecture, architectures, type Keys, nameOf } from './architectures.ts'
import type { GgufTensor } from './header.ts'
import { keysOf } from './keys.ts'
import { openParts, type Part } from './parts.ts'
import { ggmlTypes } from './quants.ts'
import { readGgufTokenizer } from './tokenizer.ts'

/** A GGUF file as the folder it would be on the Hub: what its files say, by their names, and its tensors by theirs. */
export interface GgufModel {
  /** config.json, generation_config.json, tokenizer.json and tokenizer_config.json. */
  readonly files: Readonly<Record<string, Record<string, unknown>>>
  /** f32, named and laid out as transformers has them. */
  readonly tensors: Map<string, Tensor>
  /** The types that its matrices come in, the most frequent first. */
  readonly types: readonly string[]
  /** sha256 of the file. */
  readonly hash: string
}

const chunkBytes = 4 << 20
const remedy = 'choose another conversion of the model'

/**
 * Reads a GGUF file, or all parts of one that is split, tensor by tensor: at no time is more of it in memory than its f32 weights and one chunk.
 * The matrices of a large one are read, and made f32, when they are asked for.
 *
 * throws  UserError for a header that lies, an architecture, a type, a key or a tokenizer that is not known, and tensors missing or unknown
 */
export async function readGguf(file: string, lazyFrom = LEAST_LAZY): Promise<GgufModel> {
  const parts = await openParts(file)
  try {
    const { metadata } = parts[0]!.header
    const name = metadata.get('general.architecture')
    const architecture = typeof name === 'string' && Object.hasOwn(architectures, name) ? architectures[name] : undefined
    if (architecture === undefined)
      throw new UserError(
        `${file}: general.architecture must be one of ${Object.keys(architectures).join(', ')}, got ${JSON.stringify(name)}; ${remedy}`,
      )
    const hash = createHash('sha256')
    const { keys, settings } = keysOf(file, name as string, metadata)
    checkBlocks(file, keys, parts)
    const bytes = parts.flatMap(({ header }) => header.tensors).reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0)
    const tensors = await readTensors(parts, architecture, { name: name as string, lazy: bytes >= lazyFrom }, keys, settings, hash)
    const { tokenizer, ...files } = readGgufTokenizer(file, metadata)
    const embed = tensors.get(`${architecture.outer.token_embd}.weight`)
    const config = {
      ...{ architectures: [architecture.classes], model_type: architecture.modelType },
      ...architecture.config(keys),
      vocab_size: embed?.shape[0],
      tie_word_embeddings: !tensors.has(`${architecture.outer.output}.weight`),
      torch_dtype: 'float32',
      ...files['generation_config.json'],
    }
    keys.refuseUnread()
    const types = typesOf(parts)
    return { files: { 'config.json': config, 'tokenizer.json': tokenizer, ...files }, tensors, types, hash: hash.digest('hex') }
  } finally {
    for (const { handle } of parts) await handle.close()
  }
}

function typesOf(parts: readonly Part[]): string[] {
  const counts = new Map<string, number>()
  for (const { type, shape } of parts.flatMap(({ header }) => header.tensors))
    if (shape.length > 1) counts.set(type, (counts.get(type) ?? 0) + 1)
  return [...counts].sort(([, a], [, b]) => b - a).map(([type]) => type)
}

/** What the header counts is held against what lies there before anything is made of it. */
function checkBlocks(file: string, keys: Keys, parts: readonly Part[]) {
  const blocks = new Set(parts.flatMap(({ header }) => header.tensors.flatMap(({ name }) => /^blk\.(\d+)\./.exec(name)?.[1] ?? [])))
  const told = keys.number('block_count')
  if (told !== blocks.size)
    throw new UserError(
      `${file}: block_count must be the ${blocks.size} blocks that have tensors, got ${told}; download or convert it again`,
    )
}

async function readTensors(
  parts: readonly Part[],
  architecture: Architecture,
  { name, lazy }: { readonly name: string; readonly lazy: boolean },
  keys: Keys,
  settings: Map<string, Tensor>,
  hash: Hash,
): Promise<Map<string, Tensor>> {
  const named = parts.map(({ file, header }) =>
    header.tensors.map((tensor) => {
      const known = nameOf(architecture, tensor.name)
      if (known) return { tensor, known }
      throw new UserError(`${file}: every tensor must belong to the architecture ${name}, got ${tensor.name}; ${remedy}`)
    }),
  )
  const tensors = new Map<string, Tensor>()
  const chunk = new Uint8Array(chunkBytes)
  for (const [i, { file, handle }] of parts.entries()) {
    let at = 0
    /** Fills the first bytes of the chunk, and goes on from there. */
    const read = async (bytes: number) => {
      for (let done = 0; done < bytes; ) {
        const { bytesRead } = await handle.read(chunk, done, bytes - done, at + done)
        if (bytesRead === 0) throw new UserError(`${file}: ${at + bytes} bytes must be there, got ${at + done}; download the file again`)
        done += bytesRead
      }
      hash.update(chunk.subarray(0, bytes))
      at += bytes
    }
    const skipTo = async (to: number) => {
      while (at < to) await read(Math.min(chunkBytes, to - at))
    }
    for (const { tensor, known } of named[i]!) {
      if (lazy && known !== 'setting' && tensor.shape.length > 1) {
        tensors.set(
          known.name,
          dequantizedLater(file, tensor, (numbers) => architecture.layout?.(known.part, numbers, keys) ?? numbers),
        )
        continue
      }
      await skipTo(tensor.from)
      const numbers = await dequantize(tensor, chunk, read)
      if (known === 'setting') settings.set(tensor.name, numbers)
      else tensors.set(known.name, architecture.layout?.(known.part, numbers, keys) ?? numbers)
    }
    await skipTo((await handle.stat()).size)
  }
  return tensors
}

/** A tensor whose blocks are read, and made f32, when its numbers are asked for. */
function dequantizedLater(file: string, { type, shape, from }: GgufTensor, layout: (numbers: Tensor) => Tensor): Tensor {
  const { weights, bytes, dequantize } = ggmlTypes[type]!
  const state = fileState(file)
  const final = layout({ dtype: 'f32', shape, data: new Float32Array() }).shape
  return lazyTensor(final, (into) => {
    checkState(file, state)
    const blocks = into.length / weights
    const chunk = new Uint8Array(Math.min(Math.floor(chunkBytes / bytes), blocks) * bytes)
    for (let done = 0; done < blocks; ) {
      const some = Math.min(chunk.length / bytes, blocks - done)
      readBytes(file, from + done * bytes, chunk.subarray(0, some * bytes))
      dequantize(chunk, some, into, done * weights)
      done += some
    }
    layout({ dtype: 'f32', shape, data: into })
  })
}

async function dequantize({ type, shape }: GgufTensor, chunk: Uint8Array, read: (bytes: number) => Promise<void>): Promise<Tensor> {
  const { weights, bytes, dequantize } = ggmlTypes[type]!
  const data = new Float32Array(sizeOf(shape))
  const most = Math.floor(chunk.length / bytes)
  for (let done = 0; done < data.length / weights; ) {
    const blocks = Math.min(most, data.length / weights - done)
    await read(blocks * bytes)
    dequantize(chunk, blocks, data, done * weights)
    done += blocks
  }
  return { dtype: 'f32', shape, data }
}
