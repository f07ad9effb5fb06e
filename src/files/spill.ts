import { closeSync, mkdirSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from './cache-folder.ts'

/** Bytes that are put aside and read again in any order; they are gone when they are closed, and with the process. */
export interface Spill {
  /** Where the bytes begin. */
  append(bytes: Uint8Array): number
  read(at: number, length: number): Uint8Array
  readonly length: number
  close(): void
}

/** So much stays in memory; what is more goes to a file. units bytes */
const inMemory = 2 ** 25
/** So much is written at once. units bytes */
const block = 2 ** 22

/**
 * Opens a place for bytes that need not fit memory: the first 32 MiB are held, all further ones lie in a file of the cache folder without a name.
 *
 * limits  where a file that is open cannot be removed, it stays until close
 */
export function openSpill(folder = join(cacheFolder(), 'spill')): Spill {
  const held: Uint8Array[] = []
  let file: { readonly fd: number; readonly path: string; written: number } | undefined
  // Those not yet in the file; a buffer that grows until the first block is full.
  let last = new Uint8Array(2 ** 12)
  let used = 0
  let length = 0

  const flush = () => {
    const bytes = last.slice(0, used)
    used = 0
    if (length <= inMemory) {
      held.push(bytes)
      return
    }
    file ??= { ...created(folder), written: 0 }
    writeAll(file.fd, bytes, file.written)
    file.written += bytes.length
  }
  const heldBytes = () => held.length * block

  return {
    get length() {
      return length
    },
    append(bytes) {
      const at = length
      for (let from = 0; from < bytes.length; ) {
        const room = block - used
        const part = bytes.subarray(from, from + room)
        if (used + part.length > last.length) {
          const grown = new Uint8Array(Math.min(block, Math.max(2 * last.length, used + part.length)))
          grown.set(last.subarray(0, used))
          last = grown
        }
        last.set(part, used)
        used += part.length
        length += part.length
        from += part.length
        if (used === block) flush()
      }
      return at
    },
    read(at, count) {
      const out = new Uint8Array(count)
      for (let done = 0; done < count; ) {
        const place = at + done
        const whole = heldBytes() + (file?.written ?? 0)
        if (place >= whole) {
          out.set(last.subarray(place - whole, place - whole + count - done), done)
          return out
        }
        if (place < heldBytes()) {
          const within = place % block
          const part = held[Math.floor(place / block)]!.subarray(within, within + count - done)
          out.set(part, done)
          done += part.length
        } else {
          const to = Math.min(count - done, whole - place)
          done += readSync(file!.fd, out, done, to, place - heldBytes())
        }
      }
      return out
    },
    close() {
      if (!file) return
      closeSync(file.fd)
      rmSync(file.path, { force: true })
      file = undefined
    },
  }
}

let made = 0

function created(folder: string): { fd: number; path: string } {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${process.pid}.${made++}`)
  const fd = openSync(path, 'w+')
  try {
    rmSync(path)
  } catch {
    // Some systems keep the name of an open file.
  }
  return { fd, path }
}

function writeAll(fd: number, bytes: Uint8Array, at: number) {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, at + done)
}
