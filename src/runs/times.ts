import { z } from 'zod'
import type { Run } from './run.ts'

/** `times.json`: seconds of the clock by what was done, over all processes that have worked on a run. */
export const timesSchema = z.record(z.string(), z.number().nonnegative()).readonly()
export type Times = Readonly<z.infer<typeof timesSchema>>

/** The file in a run's folder that holds them. */
export const timesFile = 'times.json'

/** Adds seconds to those that a run's folder holds. */
export async function addTimes(run: Run, more: Times): Promise<void> {
  const sums: Record<string, number> = run.has(timesFile) ? { ...(await run.read(timesFile, timesSchema)) } : {}
  for (const [label, seconds] of Object.entries(more)) sums[label] = (sums[label] ?? 0) + seconds
  await run.write(timesFile, sums)
}
