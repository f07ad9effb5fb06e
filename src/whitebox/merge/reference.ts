import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { closestMatch } from 'leven'
import { models } from '../../checkpoints/checkpoint.ts'
import { hubFolder, hubId } from '../../checkpoints/hub.ts'
import { loadAdapters } from '../../checkpoints/load-peft.ts'
import { modelFolder } from '../../checkpoints/run-model.ts'
import { openStored, type StoredModel } from '../../checkpoints/stored-model.ts'
import { UserError } from '../../graph/errors.ts'
import { tensor } from '../../graph/tensor.ts'
import { pack, unpack } from '../../models/tensor-names.ts'
import { addAdapter } from './adapter.ts'

/** A model that a configuration names, open to be read. */
export interface OpenModel extends StoredModel {
  /** As the configuration has it. */
  readonly name: string
}

/**
 * Opens what a configuration names: a model, or a model and an adapter that is added to it, with + between. Folders are looked for from where
 * the caller is, then from where the configuration lies; then the name is one of the Hub.
 *
 * throws  UserError for what is none of these, and as openStored and loadAdapters
 */
export async function openReference(name: string, from: string, where: string, note: (line: string) => void): Promise<OpenModel> {
  const [model, adapter, ...more] = name.split('+')
  const remedy = 'name a folder, a model by name, or owner/name on the Hub'
  if (!model || more.length > 0) throw new UserError(`${where}: must be a model or a model+adapter, got ${name}; ${remedy}`)
  const stored = await openStored(await folderOf(model, from, where, note))
  if (adapter === undefined) return { ...stored, name }
  try {
    const folder = await near(adapter, from)
    if (folder === undefined) throw new UserError(`${where}: an adapter must be a folder, got ${JSON.stringify(adapter)}; ${remedy}`)
    const adapters = await loadAdapters(folder, stored.config)
    return {
      ...stored,
      name,
      async read(one) {
        const data = await stored.read(one)
        if (!one.parts.some(({ path }) => adapters.layers[path])) return data
        const parts = unpack(one, tensor(data, one.shape))
        return pack(one, parts.map((part, i) => addAdapter(part, adapters.layers[one.parts[i]!.path], adapters.scale))).data as Float32Array // biome-ignore format: one line
      },
    }
  } catch (error) {
    await stored.close()
    throw error
  }
}

async function folderOf(model: string, from: string, where: string, note: (line: string) => void): Promise<string> {
  if (Object.hasOwn(models, model)) return models[model]!.folder(note)
  const folder = await near(model, from)
  if (folder !== undefined) return modelFolder(folder)
  if (model.endsWith('.gguf'))
    throw new UserError(`${where}: must be a folder of safetensors, got ${model}; write one with innate convert ${model} FOLDER`)
  const id = hubId(model)
  const parent = id && (await isFolder(dirname(model)))
  if (id && !parent) return hubFolder(id, note)
  const close = closestMatch(model, Object.keys(models), { maxDistance: 3 })
  throw new UserError(
    `${where}: must be ${Object.keys(models).join(', ')}, a folder or owner/name on the Hub, got ${JSON.stringify(model)}, which is none; ${close ? `did you mean ${close}?` : 'folders are looked for here and beside the configuration'}`,
  )
}

async function near(path: string, from: string): Promise<string | undefined> {
  for (const folder of [path, resolve(from, path)]) if (await isFolder(folder)) return folder
  return undefined
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true
}
