import { type InspectLog, writeInspectLog } from '../runs/index.ts'
import { text } from './command.ts'
import type { Screen } from './screen.ts'

/** The flag of verbs whose result safety people read in Inspect. */
export const inspectFlag = {
  inspect: text('write a log that Inspect View opens, too', { shown: 'FILE.eval' }),
}

/** Writes the log where the flag was given, and says where it is. */
export async function writeInspect(file: string | undefined, screen: Screen, log: () => InspectLog | Promise<InspectLog>): Promise<void> {
  if (file === undefined) return
  await writeInspectLog(file, await log())
  screen.note(`Inspect log: ${file}`)
}
