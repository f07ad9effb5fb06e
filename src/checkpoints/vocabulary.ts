import { join } from 'node:path'
import { z } from 'zod'
import { readJson } from '../files/json.ts'
import { readConfig } from '../models/config.ts'
import { loadTokenizer } from '../text/tokenizer.ts'
import { type Checkpoint, existingFolder, models } from './checkpoint.ts'
import { finishMoves } from './edit-log.ts'
import { readGeneration } from './generation.ts'
import { unpackGguf } from './gguf/unpack.ts'
import { peftBase } from './peft-model.ts'
import { folderRemedy } from './read-shards.ts'

/** What of a model says how texts are put into tokens. */
export type ModelVocabulary = Pick<Checkpoint, 'folder' | 'tokenizer' | 'eosIds' | 'config'>

/**
 * Loads what a model says of its tokens, without its weights; a model is named as for loadCheckpoint.
 *
 * throws  UserError for an unknown name, and a folder that lacks a file; whether the weights are right is not looked at
 */
export async function loadVocabulary(
  nameOrFolder: string,
  { onProgress = () => {} }: { readonly onProgress?: (line: string) => void } = {},
): Promise<ModelVocabulary> {
  const known = Object.hasOwn(models, nameOrFolder) ? models[nameOrFolder] : undefined
  const base = known ? undefined : await peftBase(nameOrFolder)
  if (base !== undefined) return loadVocabulary(base, { onProgress })
  const gguf = !known && nameOrFolder.endsWith('.gguf')
  const folder = known
    ? await known.folder(onProgress)
    : gguf
      ? (await unpackGguf(nameOrFolder)).folder
      : await existingFolder(nameOrFolder, onProgress)
  if (!gguf) await finishMoves(folder)
  const file = join(folder, 'config.json')
  const json = await readJson(file, z.looseObject({}), folderRemedy)
  const config = readConfig(file, json)
  const tokenizer = await loadTokenizer(folder, { rows: config.vocabSize })
  return { folder, config, tokenizer, eosIds: (await readGeneration(folder, file, json)).eosIds }
}
