import { type Page, writePage } from '../runs/index.ts'
import { text } from './command.ts'
import type { Screen } from './screen.ts'

/** The flag of verbs that have something to look at. */
export const reportFlag = {
  report: text('write a page with the figures, too: one file that needs no network', { shown: 'FILE.html' }),
}

/** Writes the page where the flag was given, and says where it is. */
export async function writeReportPage(file: string | undefined, screen: Screen, page: () => Page): Promise<void> {
  if (file === undefined) return
  await writePage(file, page())
  screen.note(`page: ${file}`)
}
