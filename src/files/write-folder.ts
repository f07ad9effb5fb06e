import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { UserError } from '../graph/errors.ts'

/** Writes a file through a temporary neighbour and a rename, so that at any moment the old or the new file is there, whole. */
export async function writeFileAtomically(file: string, fill: (handle: FileHandle) => Promise<unknown>): Promise<void> {
  const temporary = `${file}.${randomBytes(4).toString('hex')}.tmp`
  try {
    await mkdir(dirname(resolve(file)), { recursive: true })
    const handle = await open(temporary, 'wx')
    try {
      await fill(handle)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw diskError(file, error)
  }
}

/**
 * Fills a temporary neighbour and renames it to `folder`, so that a new folder appears whole or not at all.
 * Into a folder that exists, the new files move one by one and its other files stay.
 */
export async function writeFolder(folder: string, fill: (temporary: string) => Promise<unknown>): Promise<void> {
  const whole = resolve(folder)
  let temporary: string | undefined
  try {
    await mkdir(dirname(whole), { recursive: true })
    temporary = `${whole}.${randomBytes(4).toString('hex')}.tmp`
    await mkdir(temporary)
    await fill(temporary)
    await rename(temporary, whole).catch(async (error: NodeJS.ErrnoException) => {
      if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(error.code ?? '')) throw error
      for (const file of await readdir(temporary!, { recursive: true, withFileTypes: true })) {
        if (file.isDirectory()) continue
        const from = join(file.parentPath, file.name)
        const to = join(whole, relative(temporary!, from))
        await mkdir(dirname(to), { recursive: true })
        await rename(from, to)
      }
    })
  } catch (error) {
    throw diskError(folder, error)
  } finally {
    if (temporary) await rm(temporary, { recursive: true, force: true })
  }
}

const remedies: Record<string, string> = {
  ENOSPC: 'free some disk space',
  EDQUOT: 'free some disk space',
  EACCES: 'choose a folder you may write to',
  EPERM: 'choose a folder you may write to',
  EROFS: 'choose a folder you may write to',
  ENOTDIR: 'choose a path whose parents are folders',
  EEXIST: 'choose a path whose parents are folders',
}

/** A disk that refuses is the user's to mend; any other error stays what it is. */
function diskError(path: string, error: unknown): unknown {
  const { code = '' } = error as NodeJS.ErrnoException
  return remedies[code] ? new UserError(`${path}: must be writable, got ${code}; ${remedies[code]}`, { cause: error }) : error
}
