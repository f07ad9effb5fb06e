import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deflateSync, inflateSync } from 'node:zlib'
import { z } from 'zod'
import { parse, parseJson } from '../files/json.ts'
import { writeAtomic } from '../files/write.ts'
import { UserError } from '../graph/errors.ts'
import { editsFolder } from './edit-log.ts'
import { writeAll } from './write-safetensors.ts'

/** Where a folder holds what it needs to go back to its base. */
export const baseFile = `${editsFolder}/base.bin`

/** What a folder holds of its base: the bits of changed tensors as they differ from now, and files as they were, whole. */
export interface FolderBase {
  /** By tensor: the bits of the base, exclusive or those of now. */
  readonly bits: ReadonlyMap<string, Uint8Array>
  /** Heads of weight files to which a tensor was added, and other files that changed. */
  readonly files: ReadonlyMap<string, Uint8Array>
}

const partSchema = z.strictObject({
  name: z.string(),
  kind: z.enum(['bits', 'file']),
  width: z.int().positive(),
  bytes: z.int().min(0),
  raw: z.int().min(0),
})
const headSchema = z.strictObject({ format: z.literal(1), parts: z.array(partSchema) })
const remedy = 'the base cannot be made again without it; take the folder from where it came'

/** Reads what a folder holds of its base. */
export async function readFolderBase(folder: string): Promise<FolderBase> {
  const file = join(folder, baseFile)
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  const bits = new Map<string, Uint8Array>()
  const files = new Map<string, Uint8Array>()
  if (!bytes) return { bits, files }
  const length = bytes.length >= 4 ? bytes.readUInt32LE(0) : Number.POSITIVE_INFINITY
  const head = parse(file, parseJson(file, bytes.toString('utf8', 4, Math.min(4 + length, bytes.length)), remedy), headSchema, remedy)
  let at = 4 + length
  for (const { name, kind, width, bytes: size, raw } of head.parts) {
    const whole = unpacked(bytes.subarray(at, at + size), width)
    if (whole?.length !== raw)
      throw new UserError(`${file}: ${name} must take ${raw} bytes, got ${whole?.length ?? 'what does not unpack'}; ${remedy}`)
    if (kind === 'bits') bits.set(name, whole)
    else files.set(name, whole)
    at += size
  }
  return { bits, files }
}

/** Writes it, compressed: bytes of one place in a number lie side by side, since those that did not change are then runs of zeros. */
export async function writeFolderBase(file: string, { bits, files }: FolderBase, widthOf: (tensor: string) => number): Promise<void> {
  const parts = [
    ...[...bits].map(([name, raw]) => ({ name, kind: 'bits' as const, width: widthOf(name), raw })),
    ...[...files].map(([name, raw]) => ({ name, kind: 'file' as const, width: 1, raw })),
  ].map((part) => ({ ...part, packed: deflateSync(planes(part.raw, part.width), { level: 4 }) }))
  const described = parts.map(({ packed, raw, ...part }) => ({ ...part, bytes: packed.length, raw: raw.length }))
  const head = Buffer.from(JSON.stringify({ format: 1, parts: described }))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(head.length)
  await writeAtomic(file, async (handle) => {
    await writeAll(handle, length)
    await writeAll(handle, head)
    for (const { packed } of parts) await writeAll(handle, packed)
  })
}

function planes(bytes: Uint8Array, width: number): Uint8Array {
  if (width === 1) return bytes
  const n = bytes.length / width
  const out = new Uint8Array(bytes.length)
  for (let p = 0; p < width; p++) for (let i = 0; i < n; i++) out[p * n + i] = bytes[i * width + p]!
  return out
}

function unpacked(packed: Uint8Array, width: number): Uint8Array | undefined {
  let bytes: Uint8Array
  try {
    bytes = inflateSync(packed)
  } catch {
    return undefined
  }
  if (width === 1 || bytes.length % width !== 0) return bytes
  const n = bytes.length / width
  const out = new Uint8Array(bytes.length)
  for (let p = 0; p < width; p++) for (let i = 0; i < n; i++) out[i * width + p] = bytes[p * n + i]!
  return out
}

/** The bits of one, exclusive or those of the other. */
export function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((x, i) => x ^ b[i]!)
}
