import { open, rename, rm } from 'node:fs/promises'
import { UserError } from '../graph/errors.ts'

/**
 * Writes a file so that a reader, a crash or a full disk sees either the old content or the new one, never a part:
 * a temporary file beside it, flushed to the disk, then renamed over it.
 *
 * throws  UserError when the disk is full or the place cannot be written, with path and size
 */
export async function writeAtomic(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  await onDisk(path, typeof content === 'string' ? Buffer.byteLength(content) : content.byteLength, async () => {
    try {
      const file = await open(temporary, 'w')
      try {
        await file.writeFile(content)
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
 * Runs something that writes to the disk and names path, size and remedy if the disk refuses: for a whole checkpoint as for one line.
 *
 * units   bytes: what is about to be written
 * throws  UserError when the disk is full, read-only or forbidden; anything else as it came
 */
export async function onDisk<T>(path: string, bytes: number, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      const what = code === 'EDQUOT' ? 'a used-up quota (EDQUOT)' : 'a full disk (ENOSPC)'
      const remedy = 'free some space and run again with --resume (what was written before is intact)'
      throw new UserError(`${path}: the disk must have room for ${size(bytes)} more, got ${what}; ${remedy}`, { cause: error })
    }
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
      throw new UserError(`${path}: the place must be writable, got ${code}; choose another folder or change its rights`, { cause: error })
    throw error
  }
}

function size(bytes: number): string {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} kB`
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
}
