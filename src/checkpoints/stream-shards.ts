import { join } from 'node:path'
import { writeAtomic } from '../files/write.ts'
import { type Shape, sizeOf } from '../graph/tensor.ts'
import { encodings } from './encode.ts'
import { inShards, shardName, writeIndex } from './shards.ts'
import { type FloatType, writeAll, writeEncoded } from './write-safetensors.ts'

/** A tensor that is made when it is written. */
export interface MadeTensor {
  readonly name: string
  readonly shape: Shape
  readonly dtype: FloatType
  make(): Promise<Float32Array>
}

const widths: Readonly<Record<FloatType, number>> = { f32: 4, f16: 2, bf16: 2 }

/**
 * Writes the weights of a model folder as writeShards does, with one tensor in memory at a time. Each has a type of its own.
 *
 * throws  UserError when the disk refuses
 */
export async function streamShards(folder: string, tensors: readonly MadeTensor[], maxShardBytes: number): Promise<void> {
  const bytes = ({ shape, dtype }: MadeTensor) => sizeOf(shape) * widths[dtype]
  const shards = inShards(tensors, bytes, maxShardBytes)
  const placed: (readonly [name: string, file: string])[] = []
  for (const [i, shard] of shards.entries()) {
    const file = shards.length === 1 ? 'model.safetensors' : shardName(i, shards.length)
    await writeAtomic(join(folder, file), async (handle) => {
      await writeAll(handle, head(shard, bytes))
      for (const { dtype, make } of shard) await writeEncoded(handle, await make(), encodings[({ f32: 'F32', f16: 'F16', bf16: 'BF16' } as const)[dtype]]) // biome-ignore format: one line
    })
    for (const { name } of shard) placed.push([name, file])
  }
  if (shards.length > 1) await writeIndex(folder, placed, tensors.reduce((sum, one) => sum + bytes(one), 0)) // biome-ignore format: one line
}

function head(tensors: readonly MadeTensor[], bytes: (one: MadeTensor) => number): Buffer {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  let end = 0
  for (const one of tensors)
    header[one.name] = { dtype: one.dtype.toUpperCase(), shape: one.shape, data_offsets: [end, (end += bytes(one))] }
  const json = Buffer.from(JSON.stringify(header))
  const out = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ')
  out.writeBigUInt64LE(BigInt(out.length - 8))
  json.copy(out, 8)
  return out
}
