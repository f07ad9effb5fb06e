import { createHash } from 'node:crypto'
import { access, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { readJson } from '../files/json.ts'
import { writeAtomic } from '../files/write.ts'
import { UserError } from '../graph/errors.ts'
import { type Tensor, tensor } from '../graph/tensor.ts'
import { type Encoding, encodings } from './encode.ts'
import { halfBits } from './half.ts'
import { type StoredTensor, safetensorsLayout } from './safetensors.ts'
import { writeAll } from './write-safetensors.ts'

/** A weight file of a folder, and what lies where in it. */
export interface WeightFile {
  readonly name: string
  readonly head: Buffer
  readonly tensors: readonly StoredTensor[]
}

const indexFile = 'model.safetensors.index.json'

/**
 * The weight files of a model folder, in the order in which they are hashed, and the index where there are several.
 *
 * throws  UserError for a folder without safetensors
 */
export async function weightFiles(
  folder: string,
  remedy = 'an edit is applied to a model folder of safetensors; innate convert writes one',
): Promise<{ readonly files: readonly WeightFile[]; readonly index?: string }> {
  const there = async (name: string) => access(join(folder, name)).then(() => true, () => false) // biome-ignore format: one line
  if (await there('model.safetensors'))
    return { files: [{ name: 'model.safetensors', ...(await safetensorsLayout(join(folder, 'model.safetensors'))) }] }
  if (!(await there(indexFile)))
    throw new UserError(`${folder}: must hold model.safetensors, or shards and their index, got neither; ${remedy}`)
  const { weight_map: map } = await readJson(join(folder, indexFile), z.object({ weight_map: z.record(z.string(), z.string().regex(/^[^/\\]+$/)) }), remedy) // biome-ignore format: one line
  const files: WeightFile[] = []
  for (const name of [...new Set(Object.values(map))].sort()) files.push({ name, ...(await safetensorsLayout(join(folder, name))) })
  return { files, index: indexFile }
}

/** The sha256 of weight files, one after the other: what loadCheckpoint calls the hash of a model. */
export async function hashOf(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const path of paths) {
    const handle = await open(path)
    try {
      for await (const chunk of handle.createReadStream({ autoClose: false, highWaterMark: 4 << 20 })) hash.update(chunk as Buffer)
    } finally {
      await handle.close()
    }
  }
  return hash.digest('hex')
}

/** The bytes of a tensor as they lie in its file. */
export async function bytesIn(folder: string, { name }: WeightFile, { from, bytes }: StoredTensor): Promise<Uint8Array> {
  const handle = await open(join(folder, name))
  try {
    const all = new Uint8Array(bytes)
    for (let done = 0; done < bytes; ) {
      const { bytesRead } = await handle.read(all, done, Math.min(bytes - done, 8 << 20), from + done)
      if (bytesRead === 0)
        throw new UserError(`${join(folder, name)}: ${from + bytes} bytes must be there, got ${from + done}; take the file again`)
      done += bytesRead
    }
    return all
  } finally {
    await handle.close()
  }
}

/** Numbers as they are stored, as f32. */
export function floatsOf(where: string, stored: StoredTensor, bytes: Uint8Array): Tensor {
  encodingOf(where, stored)
  if (stored.dtype === 'F32') return tensor(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4), stored.shape)
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2)
  const table = stored.dtype === 'F16' ? halfBits() : undefined
  const bits = Uint32Array.from(halves, (half) => (table ? table[half]! : half << 16))
  return tensor(new Float32Array(bits.buffer), stored.shape)
}

/** f32 numbers as they are stored, rounded to nearest where that is narrower. */
export function storedBytes(where: string, stored: StoredTensor, { data }: Tensor): Uint8Array {
  const encoding = encodingOf(where, stored)
  const out = new Uint8Array(data.length * encoding.bytes)
  encoding.encode(data as Float32Array, 0, data.length, out)
  return out
}

function encodingOf(where: string, { name, dtype }: StoredTensor): Encoding {
  if (dtype === 'F32' || dtype === 'F16' || dtype === 'BF16') return encodings[dtype]
  throw new UserError(`${where}: ${name} must be stored as F32, F16 or BF16 to be edited, got ${dtype}; innate convert writes it so`)
}

/** Writes a weight file anew: a head, and after it the bytes of tensors in their order. */
export async function writeWeightFile(path: string, head: Uint8Array, tensors: Iterable<() => Promise<Uint8Array>>): Promise<void> {
  await writeAtomic(path, async (handle) => {
    await writeAll(handle, head)
    for (const read of tensors) await writeAll(handle, await read())
  })
}

/** The head of a weight file with one more tensor, which lies after all others. */
export function headWith(head: Buffer, added: Pick<StoredTensor, 'name' | 'dtype' | 'shape' | 'bytes'>): Buffer {
  const json = JSON.parse(head.toString('utf8', 8)) as Record<string, { data_offsets: [number, number] }>
  const end = Math.max(0, ...Object.entries(json).filter(([key]) => key !== '__metadata__').map(([, { data_offsets: [, to] }]) => to)) // biome-ignore format: one line
  const text = Buffer.from(
    JSON.stringify({ ...json, [added.name]: { dtype: added.dtype, shape: added.shape, data_offsets: [end, end + added.bytes] } }),
  )
  const out = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8, ' ')
  out.writeBigUInt64LE(BigInt(out.length - 8))
  text.copy(out, 8)
  return out
}

/** config.json with a head of its own in the place of one that is the embedding; all else as it stands. */
export function untiedConfig(text: string): string {
  const told = /("tie_word_embeddings"\s*:\s*)(true|false|null)/
  return told.test(text) ? text.replace(told, '$1false') : text.replace('{', '{\n  "tie_word_embeddings": false,')
}

/** The index of shards with one more tensor. */
export function indexWith(text: string, name: string, file: string, bytes: number): string {
  const index = JSON.parse(text) as { metadata?: { total_size?: number }; weight_map: Record<string, string> }
  const total = index.metadata?.total_size
  const metadata = total === undefined ? index.metadata : { ...index.metadata, total_size: total + bytes }
  return `${JSON.stringify({ ...index, ...(metadata ? { metadata } : {}), weight_map: { ...index.weight_map, [name]: file } }, null, 2)}\n`
}

/** A file of a folder as it lies there. */
export function readWhole(folder: string, name: string): Promise<Buffer> {
  return readFile(join(folder, name))
}
