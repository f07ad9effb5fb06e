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
  const shards = inShards([...tensors], ([, value]) => bytesOf(value, dtype), maxShardBytes)
  if (shards.length < 2) {
    await writeSafetensors(join(folder, 'model.safetensors'), shards.flat(), dtype)
    return ['model.safetensors']
  }
  const placed: (readonly [name: string, file: string])[] = []
  for (const [i, shard] of shards.entries()) {
    const file = shardName(i, shards.length)
    await writeSafetensors(join(folder, file), shard, dtype)
    for (const [name] of shard) placed.push([name, file])
  }
  const total = shards.flat().reduce((bytes, [, value]) => bytes + bytesOf(value, dtype), 0)
  return [...new Set(placed.map(([, file]) => file)), await writeIndex(folder, placed, total)]
}

/** Cuts a list into runs that take no more than so many bytes each, or one that is larger alone. */
export function inShards<T>(all: readonly T[], bytesOf: (one: T) => number, most: number): T[][] {
  const shards: T[][] = []
  let room = 0
  for (const one of all) {
    const bytes = bytesOf(one)
    if (shards.length === 0 || bytes > room) {
      shards.push([])
      room = most
    }
    shards.at(-1)!.push(one)
    room -= bytes
  }
  return shards
}

/** The file name of the i-th shard, counted from 0. */
export function shardName(i: number, of: number): string {
  const number = (n: number) => String(n).padStart(5, '0')
  return `model-${number(i + 1)}-of-${number(of)}.safetensors`
}

/** Writes which tensor is in which shard, and says the name of the file. */
export async function writeIndex(
  folder: string,
  placed: readonly (readonly [name: string, file: string])[],
  bytes: number,
): Promise<string> {
  const file = 'model.safetensors.index.json'
  const index = { metadata: { total_size: bytes }, weight_map: Object.fromEntries(placed) }
  await writeFile(join(folder, file), `${JSON.stringify(index, null, 2)}\n`)
  return file
}
