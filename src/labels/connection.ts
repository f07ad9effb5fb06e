import { mkdir, rm } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import sqlite from 'node-sqlite3-wasm'
import { lock, onDisk } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'

export type Database = InstanceType<typeof sqlite.Database>

/** A database file that several processes use in turns: each call has it alone. */
export interface Connection {
  /** Runs one piece of work while no other process is in the file; what it wrote is on disk when the promise is kept. */
  use<T>(work: (db: Database) => T): Promise<T>
  close(): Promise<void>
}

/** How long an idle connection keeps the file, so that calls in a row open it once. */
const IDLE_MS = 25

/** How long to wait for another process that is in the file. */
const WAIT_MS = 10_000

/**
 * Opens a SQLite file for turns. The file `FILE.owner` names the process that is in it and since when; one left by a dead process is taken over,
 * with the folder `FILE.lock` that SQLite's WebAssembly build makes and that a killed process leaves behind.
 *
 * The journal is a write-ahead log. That build takes its own lock for another's and would leave the rollback journal of a killed process
 * unread, and half of a transaction in the file; a log is read whenever the file is opened, and what was not committed there is nothing.
 *
 * throws  UserError when the file cannot be written, is no database, or another process stays in it for over ten seconds
 */
export function connect(file: string, prepare: (db: Database) => void): Connection {
  const path = resolve(file)
  let open: { readonly db: Database; readonly release: () => Promise<void> } | undefined
  let idle: NodeJS.Timeout | undefined
  let turn: Promise<unknown> = Promise.resolve()

  const end = async () => {
    clearTimeout(idle)
    const was = open
    open = undefined
    try {
      was?.db.close()
    } finally {
      await was?.release()
    }
  }
  const begin = async () => {
    await onDisk(file, 4096, () => mkdir(dirname(path), { recursive: true }))
    const release = await onDisk(file, 4096, () => enter(path))
    try {
      const db = connected(file, path)
      try {
        db.exec('PRAGMA locking_mode = exclusive; PRAGMA journal_mode = wal; PRAGMA synchronous = full; PRAGMA foreign_keys = on')
        prepare(db)
      } catch (error) {
        db.close()
        throw readable(file, error)
      }
      return { db, release }
    } catch (error) {
      await release()
      throw error
    }
  }
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const next = turn.then(work)
    turn = next.catch(() => {})
    return next
  }
  return {
    use: (work) =>
      inTurn(async () => {
        clearTimeout(idle)
        open ??= await begin()
        try {
          return work(open.db)
        } catch (error) {
          if (open.db.inTransaction) open.db.exec('ROLLBACK')
          throw readable(file, error)
        } finally {
          idle = setTimeout(() => void inTurn(end).catch(() => {}), IDLE_MS)
        }
      }),
    close: () => inTurn(end),
  }
}

/** Runs work as one transaction: all of it is kept or nothing. */
export function atomically<T>(db: Database, work: () => T): T {
  db.exec('BEGIN IMMEDIATE')
  const made = work()
  db.exec('COMMIT')
  return made
}

/** Takes the file for this process, and clears away what a dead one left. */
async function enter(path: string): Promise<() => Promise<void>> {
  const release = await lock(dirname(path), {
    name: `${basename(path)}.owner`,
    may: `be in ${basename(path)}`,
    waitMs: WAIT_MS,
  })
  // Whoever is in the file has the owner's file, which is ours now: the folder has no living owner.
  await rm(`${path}.lock`, { recursive: true, force: true })
  return release
}

function connected(file: string, path: string): Database {
  try {
    return new sqlite.Database(path)
  } catch (error) {
    throw readable(file, error)
  }
}

function readable(file: string, error: unknown): unknown {
  if (!(error instanceof sqlite.SQLite3Error)) return error
  const { message } = error
  if (/not a database|malformed/.test(message))
    return new UserError(`${file}: must be a store of labels, got a file that SQLite cannot read (${message}); name another file`, {
      cause: error,
    })
  if (/unable to open|[Cc]ould not open|readonly|disk I\/O|full/.test(message))
    return new UserError(`${file}: must be readable and writable, got ${message}; choose another place, or make room`, { cause: error })
  return error
}
