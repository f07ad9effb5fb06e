import { GGUFValueType as Kind, serializeGgufMetadata } from '@huggingface/gguf'
import { writeAtomic } from '../../files/write.ts'
import type { Shape, Tensor } from '../../graph/tensor.ts'
import { encodings } from '../encode.ts'
import { writeAll, writeEncoded } from '../write-safetensors.ts'
import { ggmlTypes } from './quants.ts'

/** A value of the metadata with the type that it is written as. */
export type Typed =
  | { readonly u32: number }
  | { readonly f32: number }
  | { readonly text: string }
  | { readonly flag: boolean }
  | { readonly texts: readonly string[] }
  | { readonly i32s: readonly number[] }
  | { readonly f32s: readonly number[] }

/** A tensor to be written: its numbers are asked for when it is its turn. */
export interface Planned {
  readonly name: string
  readonly type: keyof typeof encodings
  readonly shape: Shape
  read(): Tensor
}

const alignment = 32
const aligned = (n: number) => Math.ceil(n / alignment) * alignment

/** Writes a GGUF file, version 3, tensor by tensor, atomically. */
export async function writeGguf(file: string, metadata: ReadonlyMap<string, Typed>, tensors: readonly Planned[]): Promise<void> {
  const head = Buffer.concat([keys(metadata, tensors.length), infos(tensors)])
  await writeAtomic(file, async (handle) => {
    await writeAll(handle, head)
    await writeAll(handle, new Uint8Array(aligned(head.length) - head.length))
    for (const planned of tensors) {
      const { data } = planned.read()
      const numbers = data instanceof Float32Array ? data : Float32Array.from(data)
      await writeEncoded(handle, numbers, encodings[planned.type])
      const bytes = bytesOf(planned)
      await writeAll(handle, new Uint8Array(aligned(bytes) - bytes))
    }
  })
}

function bytesOf({ type, shape }: Planned): number {
  const { weights, bytes } = encodings[type]
  return (shape.reduce((a, b) => a * b, 1) / weights) * bytes
}

function keys(metadata: ReadonlyMap<string, Typed>, tensorCount: number): Uint8Array {
  const typed = Object.fromEntries([...metadata].map(([key, value]) => [key, typeOf(value)]))
  const counts = {
    version: { value: 3, type: Kind.UINT32 },
    tensor_count: { value: BigInt(tensorCount), type: Kind.UINT64 },
    kv_count: { value: BigInt(metadata.size), type: Kind.UINT64 },
  }
  // Aligned to one byte: the descriptions of the tensors follow at once.
  return serializeGgufMetadata({ ...counts, ...typed } as never, { alignment: 1 })
}

function typeOf(value: Typed) {
  if ('u32' in value) return { value: value.u32, type: Kind.UINT32 }
  if ('f32' in value) return { value: value.f32, type: Kind.FLOAT32 }
  if ('text' in value) return { value: value.text, type: Kind.STRING }
  if ('flag' in value) return { value: value.flag, type: Kind.BOOL }
  if ('texts' in value) return { value: value.texts, type: Kind.ARRAY, subType: Kind.STRING }
  if ('i32s' in value) return { value: value.i32s, type: Kind.ARRAY, subType: Kind.INT32 }
  return { value: value.f32s, type: Kind.ARRAY, subType: Kind.FLOAT32 }
}

/** The descriptions of the tensors: name, axes in reverse, type, offset from where the data start. */
function infos(tensors: readonly Planned[]): Buffer {
  let offset = 0
  return Buffer.concat(
    tensors.map((planned) => {
      const name = Buffer.from(planned.name)
      const info = Buffer.alloc(8 + name.length + 4 + 8 * planned.shape.length + 4 + 8)
      info.writeBigUInt64LE(BigInt(name.length))
      let at = 8 + name.copy(info, 8)
      at = info.writeUInt32LE(planned.shape.length, at)
      for (const axis of planned.shape.toReversed()) at = info.writeBigUInt64LE(BigInt(axis), at)
      at = info.writeUInt32LE(ggmlTypes[planned.type]!.id, at)
      info.writeBigUInt64LE(BigInt(offset), at)
      offset += aligned(bytesOf(planned))
      return info
    }),
  )
}
