/// <reference types="node" preserve="true" />
import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { UserError } from '../graph/errors.ts'

/**
 * Writes a file so that a reader, a crash or a full disk sees either the old content or the new one, never a part:
 * a temporary file beside it, flushed to the disk, then renamed over it. Folders on the way are made.
 *
 * throws  UserError when the disk is full or the place cannot be written, with path and size
 */
export async function writeAtomic(path: string, content: string | Uint8Array | ((handle: FileHandle) => Promise<unknown>)): Promise<void> {
  const bytes = typeof content === 'function' ? undefined : typeof content === 'string' ? Buffer.byteLength(content) : content.byteLength
  const temporary = `${path}.${process.pid}.tmp`
  await onDisk(path, bytes, async () => {
    await mkdir(dirname(resolve(path)), { recursive: true })
    try {
      const file = await open(temporary, 'w')
      try {
        await (typeof content === 'function' ? content(file) : file.writeFile(content))
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  })
}

/**
 * Fills a temporary neighbour and renames it to `folder`, so that a new folder appears whole or not at all.
 * Into a folder that exists, the new files move one by one and its other files stay.
 *
 * throws  UserError as writeAtomic
 */
export async function writeFolder(folder: string, fill: (temporary: string) => Promise<unknown>): Promise<void> {
  const whole = resolve(folder)
  const temporary = `${whole}.${randomBytes(4).toString('hex')}.tmp`
  await onDisk(folder, undefined, async () => {
    try {
      await mkdir(dirname(whole), { recursive: true })
      await mkdir(temporary)
      await fill(temporary)
      await rename(temporary, whole).catch(async (error: NodeJS.ErrnoException) => {
        if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(error.code ?? '')) throw error
        await moveFiles(temporary, whole)
      })
    } finally {
      await rm(temporary, { recursive: true, force: true })
    }
  })
}

async function moveFiles(from: string, to: string): Promise<void> {
  for (const file of await readdir(from, { recursive: true, withFileTypes: true })) {
    if (file.isDirectory()) continue
    const source = join(file.parentPath, file.name)
    const target = join(to, relative(from, source))
    await mkdir(dirname(target), { recursive: true })
    await rename(source, target)
  }
}

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'free some disk space',
  EDQUOT: 'free some disk space',
  EACCES: 'choose a place you may write to, or change its rights',
  EPERM: 'choose a place you may write to, or change its rights',
  EROFS: 'choose a place you may write to',
  ENOTDIR: 'choose a path whose parents are folders',
  EEXIST: 'choose a path whose parents are folders',
  EISDIR: 'choose a path that is no folder',
}

/**
 * Runs something that writes to the disk and names path, size and remedy if the disk refuses: for a whole checkpoint as for one line.
 *
 * units   bytes: what is about to be written, where it is known
 * throws  UserError when the disk is full, read-only or forbidden, or the path leads through a file; anything else as it came
 */
export async function onDisk<T>(path: string, bytes: number | undefined, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (!Object.hasOwn(remedies, code)) throw error
    const full = code === 'ENOSPC' ? 'a full disk (ENOSPC)' : code === 'EDQUOT' ? 'a used-up quota (EDQUOT)' : undefined
    const must = full && bytes !== undefined ? `the disk must have room for ${size(bytes)} more` : 'must be writable'
    throw new UserError(`${path}: ${must}, got ${full ?? code}; ${remedies[code]}`, { cause: error })
  }
}

function size(bytes: number): string {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} kB`
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
}
