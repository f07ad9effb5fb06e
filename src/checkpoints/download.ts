import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { UserError } from '../graph/errors.ts'

/** A file of a repository with what it must be. */
export interface RemoteFile {
  readonly path: string
  readonly size: number
  /** That of its bytes, or git's own of a file that lies in git itself. */
  readonly checksum: { readonly sha256: string } | { readonly gitSha1: string }
}

export interface DownloadOptions {
  /** Leads the errors. */
  readonly id: string
  url(path: string): string
  readonly token?: string | undefined
  onProgress(line: string): void
  /** A connection on which nothing comes for so long is given up. */
  readonly idleMs?: number
  /** Waits before another try, doubled each time. */
  readonly retryMs?: number
}

const tries = 4
const reportEvery = 50e6

/**
 * Fetches a file into a folder. What came before a connection broke is kept, here and between runs, and only the rest is asked for;
 * the file gets its name when its size and its checksum are right.
 *
 * throws  UserError when the server refuses, keeps breaking off, or sends other bytes than it should
 */
export async function download(file: RemoteFile, folder: string, options: DownloadOptions): Promise<void> {
  const { path, size } = file
  const target = join(folder, path)
  if ((await stat(target).catch(() => undefined))?.size === size) return
  const part = `${target}.part`
  for (let failures = 0; ; ) {
    const before = await sizeOf(part)
    const problem = before < size || (size === 0 && before === 0) ? await fetchRest(file, part, before, options) : undefined
    const after = await sizeOf(part)
    if (after >= size && problem === undefined) break
    failures = after > before ? 1 : failures + 1
    if (failures >= tries)
      throw new UserError(`${options.id}: ${path} must come whole (${size} bytes), got ${after} and ${problem ?? 'no more'}; run it again to go on from there`) // biome-ignore format: one line
    await wait((options.retryMs ?? 500) * 2 ** (failures - 1))
  }
  const [wanted, got] = await checksums(file, part)
  if (got !== wanted || (await sizeOf(part)) !== size) {
    await rm(part)
    throw new UserError(`${options.id}: ${path} must have the checksum ${wanted}, got ${got}; it is removed, run it again to fetch it anew`)
  }
  await rename(part, target)
}

/** Appends what is missing; says what went wrong if something did that may go better the next time. */
async function fetchRest({ path, size }: RemoteFile, part: string, from: number, options: DownloadOptions): Promise<string | undefined> {
  const { id, url, token, idleMs = 60_000 } = options
  const stalled = new AbortController()
  let timer = setTimeout(() => stalled.abort(new Error('a stalled connection')), idleMs)
  let handle: FileHandle | undefined
  try {
    const headers = { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...(from > 0 ? { Range: `bytes=${from}-` } : {}) }
    const response = await fetch(url(path), { headers, signal: stalled.signal })
    if (response.status >= 500 || response.status === 429) return `status ${response.status}`
    if (!response.ok || !response.body)
      throw new UserError(
        `${id}: ${path} must be readable, got status ${response.status}; check HF_TOKEN, and that the model is still there`,
      )
    // A server that knows no ranges sends all of it again.
    const startsAt = response.status === 206 ? Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1]) : 0
    if (startsAt !== from && startsAt !== 0) return `bytes from ${startsAt} instead of ${from}`
    handle = await open(part, startsAt === 0 ? 'w' : 'a')
    let done = startsAt
    let reported = done
    for await (const bytes of response.body) {
      clearTimeout(timer)
      timer = setTimeout(() => stalled.abort(new Error('a stalled connection')), idleMs)
      if (done + bytes.length > size) throw new UserError(`${id}: ${path} must have ${size} bytes, got more; is HF_ENDPOINT a Hub?`)
      await handle.appendFile(bytes)
      done += bytes.length
      if (done - reported < reportEvery) continue
      options.onProgress(`  ${path}: ${Math.floor(done / 1e6)} of ${Math.ceil(size / 1e6)} MB`)
      reported = done
    }
    return done < size ? 'a connection that broke off' : undefined
  } catch (error) {
    if (error instanceof UserError || (error as NodeJS.ErrnoException).code === 'ENOSPC') throw error
    const { code, message } = ((error as Error).cause ?? error) as NodeJS.ErrnoException
    return code ?? message
  } finally {
    clearTimeout(timer)
    await handle?.close()
  }
}

/** The checksum wanted and the one that the file has. */
async function checksums({ checksum, size }: RemoteFile, file: string): Promise<[wanted: string, got: string]> {
  if ('sha256' in checksum) return [checksum.sha256, await digest(createHash('sha256'), file)]
  return [checksum.gitSha1, await digest(createHash('sha1').update(`blob ${size}\0`), file)]
}

async function digest(hash: Hash, file: string): Promise<string> {
  for await (const bytes of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(bytes)
  return hash.digest('hex')
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? 0
}
