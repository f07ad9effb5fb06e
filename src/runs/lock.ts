import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { UserError } from '../graph/errors.ts'

/**
 * Takes the folder for this process until the returned function is called; a lock whose process has died is taken over.
 *
 * throws  UserError when a living process holds the folder
 * limits  whether a process on another machine lives cannot be seen: its lock counts as held
 */
export async function lock(folder: string): Promise<() => Promise<void>> {
  const path = `${folder}/lock`
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), since: new Date().toISOString() })
  if (!(await createNew(path, mine))) {
    const held = await readFile(path, 'utf8').catch(() => '')
    if (held !== '' && isAlive(held)) throw busy(folder, path, held)
    // Moved, then looked at again: if another process was quicker, what was moved is its new lock, and it goes back.
    const aside = `${path}.${process.pid}.stale`
    await rename(path, aside).catch(() => {})
    const moved = await readFile(aside, 'utf8').catch(() => held)
    if (moved !== held) await rename(aside, path)
    else await rm(aside, { force: true })
    if (moved !== held || !(await createNew(path, mine))) throw busy(folder, path, await readFile(path, 'utf8').catch(() => ''))
  }
  return async () => {
    if ((await readFile(path, 'utf8').catch(() => '')) === mine) await rm(path, { force: true })
  }
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
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' // it lives, under another user
  }
}

function busy(folder: string, path: string, content: string): UserError {
  const holder = read(content)
  const who = holder ? `process ${holder.pid} on ${holder.host}, since ${holder.since}` : 'another process'
  return new UserError(`${folder}: one process at a time may write to a run, got ${who}; wait for it, or delete ${path} if it is gone`)
}
