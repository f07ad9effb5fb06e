import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { onDisk, writeAtomic } from '../files/index.ts'
import { plot, runExperiment, type Table, writePage } from '../runs/index.ts'
import { type Claim, experimentOf, type SeedSet } from './claim.ts'
import { claimPage } from './page.ts'
import { paragraphOf } from './paragraph.ts'
import { csvOf, type DataRow, dataRows, type Result, readResult, resultOf } from './result.ts'

/** How a claim is run. */
export interface ClaimOptions {
  /** Folder of all results; each run of a claim has its own in it. */
  readonly to: string
  readonly set?: SeedSet | undefined
  /** Fewer seeds, and not the slowest arms. */
  readonly quick?: boolean | undefined
  /** Seeds, where another number is wanted. */
  readonly seeds?: number | undefined
  readonly workers?: number | undefined
  readonly progress?: (done: number, total: number) => void
  readonly signal?: AbortSignal
}

/** A claim as it was run. */
export interface ClaimRun {
  readonly folder: string
  readonly result: Result
  readonly table: Table
  readonly rows: readonly DataRow[]
}

/** The folder of one run of a claim: `hills`, `hills-second`, `hills-quick`, `hills-5-seeds`. */
export function claimFolder(claim: Pick<Claim, 'name'>, { to, set = 'first', quick = false, seeds }: ClaimOptions): string {
  const parts = [claim.name, set === 'second' && set, quick && 'quick', seeds !== undefined && `${seeds}-seeds`]
  return join(to, parts.filter((part) => part !== false).join('-'))
}

/**
 * Runs a claim on one set of seeds and writes what came out: `data.csv`, `data.jsonl`, `result.json`, `figure.svg`, `paragraph.md` and
 * `index.html`. A run that was stopped or killed is gone on with, and loses no seed that was finished.
 *
 * throws  UserError when the folder holds a result of another version of the claim
 */
export async function runClaim(claim: Claim, options: ClaimOptions): Promise<ClaimRun> {
  const { set = 'first', quick = false, workers, progress, signal } = options
  const folder = claimFolder(claim, options)
  await onDisk(folder, 4096, () => mkdir(folder, { recursive: true }))
  await readResult(claim, join(folder, 'result.json'))
  const seeds = options.seeds ?? (quick ? claim.quick.seeds : claim.n)
  const experiment = experimentOf(claim, { set, seeds, ...(quick && claim.quick.without ? { without: claim.quick.without } : {}) })
  const { table } = await runExperiment(experiment, claim.module, {
    folder,
    ...(workers ? { workers } : {}),
    ...(progress ? { progress } : {}),
    ...(signal ? { signal } : {}),
  })
  const result = resultOf(claim, table, { set, seeds: experiment.seeds, quick })
  const rows = dataRows(claim.name, table, experiment.seeds)
  const [main] = claim.figures(table)
  await writeAtomic(join(folder, 'data.csv'), csvOf(rows))
  await writeAtomic(join(folder, 'data.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  if (main) await writeAtomic(join(folder, 'figure.svg'), plot(main.table, main.as, main.axes))
  await writeAtomic(join(folder, 'paragraph.md'), `${paragraphOf(result)}\n`)
  await writePage(join(folder, 'index.html'), claimPage(claim, [{ result, table }]))
  await writeAtomic(join(folder, 'result.json'), `${JSON.stringify(result, null, 2)}\n`)
  return { folder, result, table, rows }
}

/** The hash of what a file holds. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
