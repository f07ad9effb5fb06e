import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
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
    if (Date.now() >= until) throw busy(folder, path, may, held)
    await setTimeout(RETRY_MS)
  }
  return async () => {
    if ((await readFile(path, 'utf8').catch(() => '')) === mine) await rm(path, { force: true })
  }
}
const RETRY_MS = 50

/** Takes a lock that is free or whose process has died; else what holds it. */
async function take(path: string, mine: string): Promise<string | undefined> {
  if (await createNew(path, mine)) return undefined
  const held = await readFile(path, 'utf8').catch(() => '')
  if (held !== '' && isAlive(held)) return held
  // Moved, then looked at again: if another process was quicker, what was moved is its new lock, and it goes back.
  const aside = `${path}.${process.pid}.stale`
  await rename(path, aside).catch(() => {})
  const moved = await readFile(aside, 'utf8').catch(() => held)
  if (moved !== held) await rename(aside, path)
  else await rm(aside, { force: true })
  return moved === held && (await createNew(path, mine)) ? undefined : readFile(path, 'utf8').catch(() => '')
}

async function createNew(path: string, content: string): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

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

function busy(folder: string, path: string, may: string, content: string): UserError {
  const holder = read(content)
  const who = holder ? `process ${holder.pid} on ${holder.host}, since ${holder.since}` : 'another process'
  return new UserError(`${folder}: one process at a time may ${may}, got ${who}; wait for it, or delete ${path} if it is gone`)
}
