import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Tensor } from '../graph/tensor.ts'
import { bytesOf, type FloatType, writeSafetensors } from './write-safetensors.ts'

/**
 * Writes the weights of a model folder: model.safetensors, or, where that would be larger than `maxShardBytes`, numbered shards
 * and the index that says what is where, as transformers writes them. Returns the names of the files.
 */
export async function writeShards(
  folder: string,
  tensors: Iterable<readonly [name: string, tensor: Tensor]>,
  { dtype = 'f32', maxShardBytes = Number.POSITIVE_INFINITY }: { readonly dtype?: FloatType; readonly maxShardBytes?: number } = {},
): Promise<string[]> {
  const shards: (readonly [string, Tensor])[][] = []
  let total = 0
  let room = 0
  for (const named of tensors) {
    const bytes = bytesOf(named[1], dtype)
    if (shards.length === 0 || bytes > room) {
      shards.push([])
      room = maxShardBytes
    }
    shards.at(-1)!.push(named)
    room -= bytes
    total += bytes
  }
  if (shards.length < 2) {
    await writeSafetensors(join(folder, 'model.safetensors'), shards.flat(), dtype)
    return ['model.safetensors']
  }
  const number = (i: number) => String(i).padStart(5, '0')
  const map: Record<string, string> = {}
  for (const [i, shard] of shards.entries()) {
    const file = `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`
    await writeSafetensors(join(folder, file), shard, dtype)
    for (const [name] of shard) map[name] = file
  }
  const index = { metadata: { total_size: total }, weight_map: map }
  await writeFile(join(folder, 'model.safetensors.index.json'), `${JSON.stringify(index, null, 2)}\n`)
  return [...new Set(Object.values(map)), 'model.safetensors.index.json']
}
