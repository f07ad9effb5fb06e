import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { onDisk, writeAtomic } from '../files/index.ts'

/** Why a row can not be used. The order is that of every table that counts them. */
export const reasons = [
  'not UTF-8',
  'bad JSON',
  'wrong shape',
  'bad votes',
  'unknown ids',
  'empty prompt',
  'empty completion',
  'not a token prefix',
  'text after an end',
  'refused by the template',
  'identical sides',
  'too long',
] as const

export type Reason = (typeof reasons)[number]

/** A row set aside: which line (from 1), why, and the row itself as it came. */
export interface Quarantined {
  readonly line: number
  readonly reason: Reason
  readonly detail: string
  readonly raw: string
}

/** How many rows were set aside for each reason, reasons that occur only. */
export function countReasons(rows: readonly Quarantined[]): Partial<Record<Reason, number>> {
  const counts = reasons.map((reason) => [reason, rows.filter((row) => row.reason === reason).length] as const)
  return Object.fromEntries(counts.filter(([, n]) => n > 0))
}

/** Writes the rows set aside as JSON lines; with none, removes what an earlier look at the same file left there. */
export async function writeQuarantine(file: string, rows: readonly Quarantined[]): Promise<void> {
  if (rows.length === 0) return rm(file, { force: true })
  await writeAtomic(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
}

/** Rows set aside that are written as they come; the file is there once it is finished. */
export interface QuarantineFile {
  add(row: Quarantined): void
  readonly rows: number
  /** Without a row, what an earlier look at the same file left there is removed. */
  finish(): Promise<void>
  /** Leaves what was there as it is. */
  discard(): void
}

/** Begins to write rows set aside as JSON lines. throws UserError when the place cannot be written */
export function openQuarantine(file: string): QuarantineFile {
  const temporary = `${file}.${process.pid}.tmp`
  let fd: number | undefined
  let rows = 0
  let failed: unknown
  const open = () => {
    mkdirSync(dirname(resolve(file)), { recursive: true })
    return openSync(temporary, 'w')
  }
  return {
    add(row) {
      rows++
      if (failed) return
      try {
        fd ??= open()
        writeSync(fd, `${JSON.stringify(row)}\n`)
      } catch (error) {
        failed = error
      }
    },
    get rows() {
      return rows
    },
    async finish() {
      await onDisk(file, undefined, async () => {
        if (failed) throw failed
        if (fd === undefined) return rmSync(file, { force: true })
        fsyncSync(fd)
        closeSync(fd)
        fd = undefined
        renameSync(temporary, file)
      })
    },
    discard() {
      if (fd !== undefined) closeSync(fd)
      fd = undefined
      rmSync(temporary, { force: true })
    },
  }
}
