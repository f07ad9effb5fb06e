import { createHash, type Hash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { UserError } from '../../graph/errors.ts'
import { sizeOf, type Tensor } from '../../graph/tensor.ts'
import { type Architecture, architectures, type Keys, nameOf } from './architectures.ts'
import { type GgufHeader, type GgufTensor, type GgufValue, readGgufHeader } from './header.ts'
import { ggmlTypes } from './quants.ts'
import { readGgufTokenizer } from './tokenizer.ts'

/** A GGUF file as the folder it would be on the Hub: what its files say, by their names, and its tensors by theirs. */
export interface GgufModel {
  /** config.json, generation_config.json, tokenizer.json and tokenizer_config.json. */
  readonly files: Readonly<Record<string, Record<string, unknown>>>
  /** f32, named and laid out as transformers has them. */
  readonly tensors: Map<string, Tensor>
  /** sha256 of the file. */
  readonly hash: string
}

const chunkBytes = 4 << 20
const remedy = 'choose another conversion of the model'

/**
 * Reads a GGUF file, tensor by tensor: at no time is more of it in memory than its f32 weights and one chunk.
 *
 * throws  UserError for a header that lies, an architecture, a type or a tokenizer that is not known, and tensors missing or unknown
 */
export async function readGguf(file: string): Promise<GgufModel> {
  const handle = await open(file).catch((cause: NodeJS.ErrnoException) => {
    throw new UserError(`${file}: must be a readable GGUF file, got ${cause.code}; check the path`, { cause })
  })
  try {
    const header = await readGgufHeader(file, handle)
    const name = header.metadata.get('general.architecture')
    const architecture = typeof name === 'string' && Object.hasOwn(architectures, name) ? architectures[name] : undefined
    if (architecture === undefined)
      throw new UserError(
        `${file}: general.architecture must be one of ${Object.keys(architectures).join(', ')}, got ${JSON.stringify(name)}; ${remedy}`,
      )
    const hash = createHash('sha256')
    const { tensors, settings } = await readTensors(file, handle, header, architecture, name as string, hash)
    const { tokenizer, ...files } = readGgufTokenizer(file, header.metadata)
    const keys = keysOf(file, name as string, header.metadata, settings)
    const embed = tensors.get(`${architecture.outer.token_embd}.weight`)
    const config = {
      ...{ architectures: [architecture.classes], model_type: architecture.modelType },
      ...architecture.config(keys),
      vocab_size: embed?.shape[0],
      tie_word_embeddings: !header.tensors.some((tensor) => tensor.name === 'output.weight'),
      torch_dtype: 'float32',
      ...files['generation_config.json'],
    }
    return { files: { 'config.json': config, 'tokenizer.json': tokenizer, ...files }, tensors, hash: hash.digest('hex') }
  } finally {
    await handle.close()
  }
}

async function readTensors(file: string, handle: FileHandle, header: GgufHeader, architecture: Architecture, name: string, hash: Hash) {
  const named = header.tensors.map((tensor) => {
    const known = nameOf(architecture, tensor.name)
    if (known) return { tensor, known }
    throw new UserError(`${file}: every tensor must belong to the architecture ${name}, got ${tensor.name}; ${remedy}`)
  })
  const keys = keysOf(file, name, header.metadata, new Map())
  const tensors = new Map<string, Tensor>()
  const settings = new Map<string, Tensor>()
  const chunk = new Uint8Array(chunkBytes)
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
  for (const { tensor, known } of named) {
    await skipTo(tensor.from)
    const numbers = await dequantize(tensor, chunk, read)
    if (known === 'setting') settings.set(tensor.name, numbers)
    else tensors.set(known.name, architecture.layout?.(known.part, numbers, keys) ?? numbers)
  }
  await skipTo((await handle.stat()).size)
  return { tensors, settings }
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

function keysOf(file: string, name: string, metadata: ReadonlyMap<string, GgufValue>, settings: ReadonlyMap<string, Tensor>): Keys {
  const get = (key: string) => metadata.get(`${name}.${key}`)
  return {
    file,
    get,
    tensor: (key) => settings.get(key),
    number(key, otherwise) {
      const value = get(key) ?? otherwise
      if (typeof value === 'number' && Number.isFinite(value)) return shortest(value)
      throw new UserError(`${file}: ${name}.${key} must be a number, got ${JSON.stringify(value) ?? 'nothing'}; ${remedy}`)
    },
  }
}

/** The number with the fewest digits that has the same f32: 1e-5 went into the file, and 0.000009999999747378752 comes out. */
function shortest(x: number): number {
  if (Number.isInteger(x) || Math.fround(x) !== x) return x
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(x.toPrecision(digits))
    if (Math.fround(short) === x) return short
  }
  return x
}
