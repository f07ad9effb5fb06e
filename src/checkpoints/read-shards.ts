import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { readJson } from '../files/json.ts'
import { UserError } from '../graph/errors.ts'
import type { Tensor } from '../graph/tensor.ts'
import { lazySafetensors } from './lazy-safetensors.ts'
import { readSafetensors } from './safetensors.ts'

/** Where weights are not as a model folder has them. */
export const folderRemedy = 'a model folder holds config.json, model.safetensors and tokenizer.json as transformers saves them'

/** Weights of so many bytes are read when they are asked for, and mapped where they lie as f32; smaller ones are read at once. */
export const LEAST_LAZY = 128 << 20

/** Every tensor of model.safetensors, or of the shards that model.safetensors.index.json lists, and the sha256 of all of it. */
export async function readShards(folder: string, lazyFrom = LEAST_LAZY) {
  const hash = createHash('sha256')
  const index = join(folder, 'model.safetensors.index.json')
  const single = join(folder, 'model.safetensors')
  const sharded = !(await exists(single)) && (await exists(index))
  const where = sharded ? index : single
  if (!sharded && !(await exists(single))) await refuseOthers(folder, single)
  const found = new Map<string, Tensor>()
  const files = sharded ? await shardsOf(folder, index) : [single]
  const lazy = (await bytesIn(files)) >= lazyFrom
  for (const file of files) {
    for (const [name, tensor] of await (lazy ? hashedLazily(file, hash) : readSafetensors(file, hash))) {
      if (found.has(name)) throw new UserError(`${file}: every tensor must be in one shard, got ${name} again; download the shards again`)
      found.set(name, tensor)
    }
  }
  return { where, found, hash: hash.digest('hex') }
}

async function hashedLazily(file: string, hash: Hash): Promise<Map<string, Tensor>> {
  const tensors = await lazySafetensors(await realpath(file))
  for await (const chunk of createReadStream(file, { highWaterMark: 4 << 20 })) hash.update(chunk as Buffer)
  return tensors
}

async function bytesIn(files: readonly string[]): Promise<number> {
  const sizes = await Promise.all(files.map((file) => stat(file).then(({ size }) => size, () => 0))) // biome-ignore format: one line
  return sizes.reduce((a, b) => a + b, 0)
}

/** Says which format is there in the place of the one that is read. */
async function refuseOthers(folder: string, wanted: string): Promise<void> {
  const files = await readdir(folder, { recursive: true }).catch(() => [])
  const other = files.find((file) => /[.](onnx|bin|pt|pth|h5|msgpack)$/.test(file))
  if (other)
    throw new UserError(
      `${wanted}: weights must be safetensors or GGUF, got ${other} alone; take the folder they were made from, or save them with transformers' save_pretrained`,
    )
}

async function shardsOf(folder: string, index: string): Promise<string[]> {
  const name = z.string().regex(/^[^/\\]+\.safetensors$/, 'must be the name of a safetensors file in the same folder')
  const { weight_map: map } = await readJson(index, z.object({ weight_map: z.record(z.string(), name) }), folderRemedy)
  return [...new Set(Object.values(map))].sort().map((shard) => join(folder, shard))
}

/** Whether there is a file or folder of that name. */
export function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}
