import { rm } from 'node:fs/promises'
import { writeAtomic } from '../files/index.ts'

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
