import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { placeOf, readPlace, readTensor } from '../files/lazy-tensor.ts'
import { sizeOf, UserError } from '../graph/index.ts'
import { BLOCK, rounded } from './blocks.ts'
import type { Place } from './onnx-builder.ts'
import { outsideOf, part, type Resident } from './resident.ts'

/**
 * Writes what a session holds into files of a folder of their own, each named by its place, and removes them once the session is loaded:
 * matrices rounded to blocks, the rest as it is. A session maps them, so that what it packs, or never reads, takes no memory besides; nothing
 * is in memory whole on the way but a tensor that has to be decoded.
 *
 * limits  the folder is in the system's folder for temporary files, and stays there where what is mapped cannot be removed (Windows)
 */
export async function whileInFiles(
  places: Readonly<Record<string, Place>>,
  residentOf: (name: string) => Resident,
  read: (resident: Resident) => Promise<Float32Array>,
  load: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'innate-held-'))
  try {
    const written = new Set<string>()
    for (const [name, { parts, rounded: how }] of Object.entries(places)) {
      if (written.has(name)) continue
      const residents = parts.map(residentOf)
      if (!how) {
        await writing(folder, [name], async ([put]) => {
          for (const resident of residents) await pieces(resident, read, (piece) => put!(piece))
        })
        continue
      }
      // Both halves of a matrix are made in one go.
      const halves = (['values', 'scales'] as const).map((half) => name.replace(/(values|scales)$/, half))
      for (const half of halves) written.add(half)
      await writing(folder, halves, async ([values, scales]) => {
        for (const resident of residents)
          await pieces(resident, read, async (piece) => {
            const blocks = rounded(piece, how.bits)
            await values!(blocks.values)
            await scales!(blocks.scales)
          })
      })
    }
    await load(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    throw new UserError(`${folder}: must have room for rounded weights, got a full disk; name another folder for temporary files`, {
      cause: error,
    })
  } finally {
    await rm(folder, { recursive: true, force: true }).catch(() => {})
  }
}

type Put = (data: Uint8Array | Float32Array) => Promise<void>

async function writing(folder: string, names: readonly string[], write: (puts: readonly Put[]) => Promise<void>): Promise<void> {
  const files = await Promise.all(names.map((name) => open(join(folder, name), 'wx')))
  try {
    await write(
      files.map((file) => async ({ buffer, byteOffset, byteLength }) => {
        await file.writeFile(new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength))
      }),
    )
  } finally {
    for (const file of files) await file.close()
  }
}

/** The numbers of a resident from the first to the last, a piece at a time; a piece is written over by the next. */
async function pieces(
  resident: Resident,
  read: (resident: Resident) => Promise<Float32Array>,
  each: (piece: Float32Array) => Promise<void>,
): Promise<void> {
  const tensor = outsideOf(resident)
  const file = resident.slot.file ?? (tensor && placeOf(tensor))
  const size = sizeOf(resident.shape)
  const whole = tensor && !file ? new Float32Array(size) : undefined
  if (whole) readTensor(tensor!, whole)
  const buffer = file && new Float32Array(Math.min(PIECE, size))
  for (let at = 0; at < size; at += PIECE) {
    const length = Math.min(PIECE, size - at)
    if (whole) await each(whole.subarray(at, at + length))
    else if (file) {
      const piece = buffer!.subarray(0, length)
      readPlace({ ...file, at: file.at + 4 * at }, piece)
      await each(piece)
    } else await each(await read(part(resident, at, [length])))
  }
}

/** Numbers in a piece: whole blocks. */
const PIECE = BLOCK * 2 ** 15
