import { join } from 'node:path'
import { z } from 'zod'
import { parse, parseJson } from '../files/json.ts'
import { writeAtomic } from '../files/write.ts'
import { UserError } from '../graph/errors.ts'
import type { Tensor } from '../graph/tensor.ts'
import { type DecoderConfig, familyOf, readConfig } from '../models/config.ts'
import { decoderParams } from '../models/params.ts'
import { type FileTensor, fileTensors, pack, unpack } from '../models/tensor-names.ts'
import type { EditFile } from './edit-file.ts'
import { changeWeights, planEdits, touched } from './edit-weights.ts'
import { baseFile, readFolderBase, writeFolderBase, xor } from './folder-base.ts'
import { bytesIn, floatsOf, hashOf, headWith, indexWith, readWhole, storedBytes, untiedConfig, type WeightFile, weightFiles, writeWeightFile } from './folder-weights.ts' // biome-ignore format: one line
import type { StoredTensor } from './safetensors.ts'

const configFile = 'config.json'
const duplicates = /^(lm_head|embed_out)\.weight$/

/** What was written for another state: the files, those that go, and the sha256 of the weights. */
export interface WrittenState {
  readonly written: readonly string[]
  readonly removed: readonly string[]
  readonly hash: string
}

/** A model folder as bytes: those of now, those of its base, and those of its base under other edits. */
export async function openFolderState(folder: string) {
  const { files, index } = await weightFiles(folder)
  const base = await readFolderBase(folder)
  const baseText = async (name: string) => Buffer.from(base.files.get(name) ?? (await readWhole(folder, name)))
  const places = new Map<string, { file: WeightFile; stored: StoredTensor }>()
  for (const file of files) for (const stored of file.tensors) places.set(stored.name, { file, stored })
  const now = (name: string) => bytesIn(folder, places.get(name)!.file, places.get(name)!.stored)
  const atBase = async (name: string) => {
    const bits = base.bits.get(name)
    return bits ? xor(bits, await now(name)) : now(name)
  }
  // A tensor that was added is no tensor of the base.
  const baseTensors = ({ name, head, tensors }: WeightFile) => {
    const before = base.files.get(name)
    const known = before && new Set(Object.keys(JSON.parse(Buffer.from(before).toString('utf8', 8))))
    return { head: before ? Buffer.from(before) : head, tensors: known ? tensors.filter((one) => known.has(one.name)) : tensors }
  }
  const ofBase = new Set(files.flatMap((file) => baseTensors(file).tensors.map(({ name }) => name)))
  const config = await configOfBase()
  const hash = () => hashOf(files.map(({ name }) => join(folder, name)))

  async function configOfBase(): Promise<DecoderConfig> {
    const where = join(folder, configFile)
    const remedy = 'a model folder holds config.json as transformers saves it'
    const told = readConfig(
      where,
      parse(where, parseJson(where, (await baseText(configFile)).toString(), remedy), z.looseObject({}), remedy),
    )
    const own = [...ofBase].find((name) => duplicates.test(name))
    if (!told.tied || own === undefined) return told
    const embed = nameIn(fileTensors(told).find(({ parts }) => parts[0]!.path === 'embed')!, told)
    return Buffer.compare(await atBase(own), await atBase(embed)) === 0 ? told : { ...told, tied: false }
  }

  function nameIn({ name }: Pick<FileTensor, 'name'>, of: DecoderConfig): string {
    if (places.has(name)) return name
    const { base: prefix } = familyOf(of)
    const short = name.startsWith(prefix) ? name.slice(prefix.length) : name
    if (places.has(short)) return short
    throw new UserError(`${folder}: ${name} must be there, got no such tensor; is config.json of another model?`)
  }

  /** The parameters in tensors of the base, by path. */
  async function read(all: readonly FileTensor[]): Promise<Map<string, Tensor>> {
    const given = new Map<string, Tensor>()
    for (const one of all) {
      const name = nameIn(one, config)
      const parts = unpack(one, floatsOf(folder, places.get(name)!.stored, await atBase(name)))
      for (const [i, { path }] of one.parts.entries()) given.set(path, parts[i]!)
    }
    return given
  }

  /** The bytes of every tensor that edits change, by the name in the file; and what a model that gets its own head has besides. */
  async function changedBytes(edits: readonly EditFile[]) {
    const plan = planEdits(config, edits, { identities: true })
    const paths = touched(config, plan)
    const all = fileTensors(config).filter(({ parts }) => parts.some(({ path }) => paths.has(path)))
    const given = await read(all)
    const { config: told, changed } = changeWeights(config, (path) => given.get(path)!, plan)
    const bytes = new Map<string, Uint8Array>()
    for (const one of all.filter(({ parts }) => parts.some(({ path }) => changed.has(path)))) {
      const name = nameIn(one, config)
      const parts = one.parts.map(({ path }) => changed.get(path) ?? given.get(path)!)
      bytes.set(name, storedBytes(folder, places.get(name)!.stored, pack(one, parts)))
    }
    return { bytes, head: headOf(told, changed, bytes) }
  }

  /** A head that is the embedding's copy follows it; one of its own is added where there is none. */
  function headOf(told: DecoderConfig, changed: ReadonlyMap<string, Tensor>, bytes: Map<string, Uint8Array>) {
    if (!config.tied) return undefined
    const embed = nameIn(fileTensors(config).find(({ parts }) => parts[0]!.path === 'embed')!, config)
    const copy = [...ofBase].find((name) => duplicates.test(name))
    const { stored, file } = places.get(embed)!
    if (told.tied) {
      if (copy !== undefined && bytes.has(embed)) bytes.set(copy, bytes.get(embed)!)
      return undefined
    }
    const own = storedBytes(folder, stored, changed.get('head')!)
    const { name } = fileTensors(told).find(({ parts }) => parts[0]!.path === 'head')!
    if (copy !== undefined) bytes.set(copy, own)
    return { name, file: file.name, bytes: own, added: copy === undefined, stored }
  }

  return {
    config,
    hash,

    /** The parameters of the base. */
    async baseParams() {
      const all = await read(fileTensors(config))
      return decoderParams(config, (path) => all.get(path)!)
    },

    /** Writes into a folder of its own what takes the place of files, so that this one is the base under these edits. */
    async write(next: string, edits: readonly EditFile[]): Promise<WrittenState> {
      const { bytes, head } = await changedBytes(edits)
      const bits = new Map<string, Uint8Array>()
      const before = new Map<string, Uint8Array>()
      const written: string[] = []
      for (const file of files) {
        const at = baseTensors(file)
        const added = head?.added && head.file === file.name ? head : undefined
        const touches = (name: string) => bytes.has(name) || base.bits.has(name)
        for (const { name } of at.tensors) {
          const to = bytes.get(name)
          if (!to) continue
          const difference = xor(await atBase(name), to)
          if (difference.some((bit) => bit !== 0)) bits.set(name, difference)
        }
        if (added) before.set(file.name, at.head)
        if (!added && !base.files.has(file.name) && !at.tensors.some(({ name }) => touches(name))) continue
        const newHead = added ? headWith(at.head, { name: added.name, dtype: added.stored.dtype, shape: added.stored.shape, bytes: added.bytes.length }) : at.head // biome-ignore format: one line
        const readers = at.tensors.map(
          ({ name }) =>
            async () =>
              bytes.get(name) ?? (await atBase(name)),
        )
        await writeWeightFile(join(next, file.name), newHead, added ? [...readers, async () => added.bytes] : readers)
        written.push(file.name)
      }
      for (const [name, change] of companions(head)) {
        const text = (await baseText(name)).toString()
        const changed = change?.(text) ?? text
        if (changed !== text) before.set(name, Buffer.from(text))
        if (changed === text && !base.files.has(name)) continue
        await writeAtomic(join(next, name), changed)
        written.push(name)
      }
      if (bits.size + before.size > 0) {
        await writeFolderBase(join(next, baseFile), { bits, files: before }, widthOf)
        written.push(baseFile)
      }
      const paths = files.map(({ name }) => (written.includes(name) ? join(next, name) : join(folder, name)))
      return { written, removed: bits.size + before.size > 0 ? [] : [baseFile], hash: await hashOf(paths) }
    },
  }

  function companions(head: { name: string; file: string; bytes: Uint8Array; added: boolean } | undefined) {
    return [
      [configFile, head && untiedConfig],
      ...(index
        ? [[index, head?.added ? (text: string) => indexWith(text, head.name, head.file, head.bytes.length) : undefined] as const]
        : []),
    ] as const
  }

  function widthOf(name: string): number {
    const { bytes, shape } = places.get(name)!.stored
    return (
      bytes /
        Math.max(
          1,
          shape.reduce((a, b) => a * b, 1),
        ) || 1
    )
  }
}
