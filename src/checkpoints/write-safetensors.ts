import type { FileHandle } from 'node:fs/promises'
import { writeAtomic } from '../files/write.ts'
import { sizeOf, type Tensor, type Type } from '../graph/tensor.ts'
import { type Encoding, encodings } from './encode.ts'

const chunkBytes = 8 << 20

/** How floats are written: two bytes are rounded to nearest, ties to even. */
export type FloatType = 'f32' | 'f16' | 'bf16'

/** A tensor that is somewhere else until it is written. */
export interface Later extends Type {
  read(): Promise<Tensor>
}

/**
 * Writes tensors to a safetensors file, atomically: floats as `dtype`, whole numbers as I32; `metadata` goes into its header. Of what is read later one is held at a time.
 *
 * throws  UserError when the disk refuses
 */
export async function writeSafetensors(
  file: string,
  tensors: Iterable<readonly [name: string, tensor: Tensor | Later]>,
  dtype: FloatType = 'f32',
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const all = [...tensors]
  const { head } = safetensorsHead(all, dtype, metadata)
  await writeAtomic(file, async (handle) => {
    await writeAll(handle, head)
    for (const [, one] of all) {
      const { data } = 'read' in one ? await one.read() : one
      const four = data instanceof Float64Array ? Float32Array.from(data) : data
      if (four instanceof Int32Array || dtype === 'f32')
        await writeAll(handle, new Uint8Array(four.buffer, four.byteOffset, four.byteLength))
      else await writeEncoded(handle, four, encodings[dtype === 'f16' ? 'F16' : 'BF16'])
    }
  })
}

/** What a safetensors file begins with, and where in the file each tensor's numbers will begin. */
export function safetensorsHead(
  types: readonly (readonly [name: string, type: Type])[],
  dtype: FloatType = 'f32',
  metadata: Readonly<Record<string, string>> = {},
): { readonly head: Buffer; readonly starts: Readonly<Record<string, number>> } {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt', ...metadata } }
  const offsets: [string, number][] = []
  let end = 0
  for (const [name, type] of types) {
    offsets.push([name, end])
    const written = type.dtype === 'i32' ? 'I32' : dtype.toUpperCase()
    header[name] = { dtype: written, shape: type.shape, data_offsets: [end, (end += bytesOf(type, dtype))] }
  }
  const json = Buffer.from(JSON.stringify(header))
  const head = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ')
  head.writeBigUInt64LE(BigInt(head.length - 8))
  json.copy(head, 8)
  return { head, starts: Object.fromEntries(offsets.map(([name, offset]) => [name, head.length + offset])) }
}

/** How many bytes a tensor takes in a file. */
export function bytesOf({ dtype, shape }: Type, floats: FloatType): number {
  return sizeOf(shape) * (dtype === 'i32' || floats === 'f32' ? 4 : 2)
}

/** Writes numbers in an encoding, a chunk at a time. */
export async function writeEncoded(handle: FileHandle, data: Float32Array, { weights, bytes, encode }: Encoding): Promise<void> {
  const most = Math.floor(Math.min(chunkBytes / bytes, data.length / weights)) * weights
  const chunk = new Uint8Array((most / weights) * bytes)
  for (let from = 0; from < data.length; from += most) {
    const to = Math.min(from + most, data.length)
    encode(data, from, to, chunk)
    await writeAll(handle, chunk.subarray(0, ((to - from) / weights) * bytes))
  }
}

export async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await handle.write(bytes, done, Math.min(bytes.length - done, chunkBytes))).bytesWritten
}
