import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { readJson } from '../files/json.ts'
import { UserError } from '../graph/errors.ts'
import { sameShape, show } from '../graph/tensor.ts'
import { type DecoderConfig, familyOf, readConfig } from '../models/config.ts'
import { type FileTensor, fileTensors } from '../models/tensor-names.ts'
import { keptEdits } from './edit-log.ts'
import { weightFiles } from './folder-weights.ts'
import { halfBits } from './half.ts'
import { folderRemedy } from './read-shards.ts'
import type { StoredTensor } from './safetensors.ts'
import type { FloatType } from './write-safetensors.ts'

const floatTypes: Readonly<Record<string, FloatType>> = { F32: 'f32', F16: 'f16', BF16: 'bf16' }
const heads = /^(lm_head|embed_out)\.weight$/
const chunk = 4 << 20

/** A model folder whose tensors are read one at a time. */
export interface StoredModel {
  readonly folder: string
  /** With a head of its own where one lies there that is not the embedding. */
  readonly config: DecoderConfig
  readonly json: Readonly<Record<string, unknown>>
  /** How a tensor is stored. */
  typeOf(tensor: FileTensor): FloatType
  /** A tensor's numbers, in memory that belongs to the caller. */
  read(tensor: FileTensor): Promise<Float32Array>
  close(): Promise<void>
}

/**
 * Opens a model folder to read its tensors one by one, as they are stored.
 *
 * throws  UserError for a folder that lacks a file or a tensor, a tensor of another shape, one that is not stored as F32, F16 or BF16, and a
 *         folder under edits of activations, which weights do not hold
 */
export async function openStored(folder: string): Promise<StoredModel> {
  const json = await readJson(join(folder, 'config.json'), z.looseObject({}), folderRemedy)
  const told = readConfig(join(folder, 'config.json'), json)
  const { kept } = await keptEdits(folder, told)
  if (kept)
    throw new UserError(
      `${folder}: must be told by its weights alone, got a folder under edits of activations, ${kept.map(({ name }) => name).join(', ')}; revert them with innate edit revert`,
    )
  const { files } = await weightFiles(folder, 'write one with innate convert MODEL FOLDER')
  const places = new Map(files.flatMap((file) => file.tensors.map((stored) => [stored.name, { file: file.name, stored }] as const)))
  const opened = new Map<string, FileHandle>()
  for (const { name } of files) opened.set(name, await open(join(folder, name)))

  const { base } = familyOf(told)
  const nameOf = (name: string) =>
    places.has(name) || !name.startsWith(base) || !places.has(name.slice(base.length)) ? name : name.slice(base.length)
  const placeOf = ({ name, shape }: FileTensor) => {
    const place = places.get(nameOf(name))
    const where = join(folder, place?.file ?? 'model.safetensors')
    const must = (holds: boolean, rule: string, got: string) => {
      if (!holds) throw new UserError(`${where}: ${name} must be ${rule}, got ${got}; is config.json of another model?`)
    }
    must(place !== undefined, 'there', 'no such tensor')
    const { stored, file } = place!
    must(sameShape(stored.shape, shape), show({ dtype: 'f32', shape }), show({ dtype: 'f32', shape: stored.shape }))
    must(stored.dtype in floatTypes, 'stored as F32, F16 or BF16', stored.dtype)
    return { stored, where, handle: opened.get(file)! }
  }
  const read = (tensor: FileTensor) => {
    const { handle, where, stored } = placeOf(tensor)
    return numbers(handle, where, stored)
  }
  const close = async () => {
    for (const handle of opened.values()) await handle.close()
  }
  try {
    const config = await withOwnHead()
    for (const tensor of fileTensors(config)) placeOf(tensor)
    return { folder, config, json, read, close, typeOf: (tensor) => floatTypes[placeOf(tensor).stored.dtype]! }
  } catch (error) {
    await close()
    throw error
  }

  /** As loadCheckpoint: a tied model may store a head that is not the embedding. */
  async function withOwnHead(): Promise<DecoderConfig> {
    const embed = fileTensors(told).find(({ parts }) => parts[0]!.path === 'embed')!
    const head = [...places.keys()].find((name) => heads.test(name))
    if (!told.tied || head === undefined || !sameShape(places.get(head)!.stored.shape, embed.shape)) return told
    const [a, b] = [await read(embed), await read({ ...embed, name: head })]
    return a.every((x, i) => Object.is(x, b[i])) ? told : { ...told, tied: false }
  }
}

/** Through one chunk where numbers are stored in two bytes. */
async function numbers(handle: FileHandle, where: string, { dtype, from, bytes }: StoredTensor): Promise<Float32Array> {
  if (dtype === 'F32') {
    const all = new Float32Array(bytes / 4)
    await fill(handle, where, new Uint8Array(all.buffer), from)
    return all
  }
  const bits = new Uint32Array(bytes / 2)
  const table = dtype === 'F16' ? halfBits() : undefined
  const halves = new Uint16Array(Math.min(bits.length, chunk / 2))
  for (let done = 0; done < bits.length; done += halves.length) {
    const part = halves.subarray(0, bits.length - done)
    await fill(handle, where, new Uint8Array(part.buffer, 0, part.byteLength), from + 2 * done)
    if (table) for (let i = 0; i < part.length; i++) bits[done + i] = table[part[i]!]!
    else for (let i = 0; i < part.length; i++) bits[done + i] = part[i]! << 16
  }
  return new Float32Array(bits.buffer)
}

async function fill(handle: FileHandle, where: string, bytes: Uint8Array, from: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(bytes.length - done, chunk), from + done)
    if (bytesRead === 0)
      throw new UserError(`${where}: ${from + bytes.length} bytes must be there, got ${from + done}; take the file again`)
    done += bytesRead
  }
}
