import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder } from '../../files/cache-folder.ts'
import { writeFolder } from '../../files/write.ts'
import type { Tensor } from '../../graph/tensor.ts'
import { readGguf } from './read.ts'

export interface UnpackedGguf {
  readonly file: string
  /** A folder in the cache that holds all of a model folder's files but the weights. */
  readonly folder: string
  readonly tensors: Map<string, Tensor>
  /** The types that its matrices come in, the most frequent first. */
  readonly types: readonly string[]
  /** sha256 of the file. */
  readonly hash: string
}

/** Reads a GGUF file, and writes what is not weights where a model folder's files are looked for. */
export async function unpackGguf(file: string, lazyFrom?: number): Promise<UnpackedGguf> {
  const { files, tensors, types, hash } = await readGguf(file, lazyFrom)
  const folder = join(cacheFolder(), 'gguf', hash.slice(0, 32))
  await writeFolder(folder, async (temporary) => {
    for (const [name, json] of Object.entries(files)) await writeFile(join(temporary, name), JSON.stringify(json))
  })
  return { file, folder, tensors, types, hash }
}
