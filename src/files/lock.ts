import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { link, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { UserError } from '../graph/errors.ts'

export interface LockOptions {
  /** The name of the lock's file. */
  readonly name?: string
  /** What one process at a time may do, for the error. */
  readonly may?: string
  /** How long to wait for a living process; not at all when left out. */
  readonly waitMs?: number
}

/**
 * Takes the folder for this process until the returned function is called; a lock whose process has died is taken over.
 *
 * throws  UserError when a living process holds the folder, and goes on holding it
 * limits  whether a process on another machine lives cannot be seen: its lock counts as held
 */
export async function lock(
  folder: string,
  { name = 'lock', may = 'write to a run', waitMs = 0 }: LockOptions = {},
): Promise<() => Promise<void>> {
  const path = `${folder}/${name}`
  const [since, began] = [new Date().toISOString(), beganAt(process.pid)]
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), since, ...(began === undefined ? {} : { began }), id: randomUUID() })
  const until = Date.now() + waitMs
  for (let held = await take(path, mine); held !== undefined; held = await take(path, mine)) {
    // One without its content is waited for, until it counts as left by a crash.
    const holder = read(held)
    if (Date.now() >= until && holder !== undefined) throw busy(folder, path, may, holder)
    await setTimeout(RETRY_MS)
  }
  return async () => {
    if ((await readFile(path, 'utf8').catch(() => '')) === mine) await rm(path, { force: true })
  }
}
const RETRY_MS = 50

/** Takes a lock that is free or whose process has died; else what holds it, which is nothing while others are taking it. */
async function take(path: string, mine: string): Promise<string | undefined> {
  const held = await contentOf(path)
  if (held === undefined) return (await createNew(path, mine)) ? undefined : ((await contentOf(path)) ?? '')
  if (await isHeld(path, held)) return held
  // One process at a time replaces the lock of a dead one, under a lock of its own. Only then may it look whether it is still there.
  const takeover = `${path}.takeover`
  if ((await take(takeover, mine)) !== undefined) return ''
  try {
    const now = await contentOf(path)
    if (now !== held) return now ?? ''
    await withFile(path, mine, (file) => rename(file, path))
    return undefined
  } finally {
    await rm(takeover, { force: true })
  }
}

/** Makes a lock that has its whole content from the first moment, if there is none. */
async function createNew(path: string, content: string): Promise<boolean> {
  try {
    await withFile(path, content, (file) => link(file, path))
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return false
    if (code === undefined || !NO_LINKS.includes(code)) throw error
  }
  // A disk without hard links: others may see the lock before its content.
  return writeFile(path, content, { flag: 'wx' }).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false
      throw error
    },
  )
}
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']

/** Does something with a file of this content, which does not stay. */
async function withFile(path: string, content: string, use: (file: string) => Promise<void>): Promise<void> {
  const file = `${path}.${randomUUID()}.tmp`
  try {
    await writeFile(file, content)
    await use(file)
  } finally {
    await rm(file, { force: true })
  }
}

async function contentOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

/** Whether a living process holds a lock; one without its content may still be written, for a while. */
async function isHeld(path: string, content: string): Promise<boolean> {
  if (read(content) !== undefined) return isAlive(content)
  const written = await stat(path).then(({ mtimeMs }) => mtimeMs, () => undefined) // biome-ignore format: one line
  return written === undefined || Math.abs(Date.now() - written) < TORN_MS
}
const TORN_MS = 1_000

interface Holder {
  pid: number
  host: string
  since: string
  /** When the process began, as its system counts it; absent where the system does not say. */
  began?: number
}

function read(content: string): Holder | undefined {
  try {
    return JSON.parse(content) as Holder
  } catch {
    return undefined // torn by a crash while it was written
  }
}

function isAlive(content: string): boolean {
  const holder = read(content)
  if (holder === undefined) return false
  if (holder.host !== hostname()) return true
  try {
    process.kill(holder.pid, 0)
    // A number is given again: a process that began at another time is another one.
    const began = holder.began === undefined ? undefined : beganAt(holder.pid)
    return began === undefined || began === holder.began
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' // it lives, under another user
  }
}

/** When a process began, in ticks since the system did, which no setting of a clock changes; undefined where /proc does not say it. */
function beganAt(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name of the program stands in brackets, and may hold any.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
  } catch {
    return undefined
  }
}

function busy(folder: string, path: string, may: string, holder: Holder): UserError {
  return new UserError(
    `${folder}: one process at a time may ${may}, got process ${holder.pid} on ${holder.host}, since ${holder.since}; wait for it, or delete ${path} if it is gone`,
  )
}
