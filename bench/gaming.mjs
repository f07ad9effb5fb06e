import { armsTable, runInFolder } from './run-in-folder.mjs'

/** Three ways of gaming a judge, with gold beside it, on stories5m. */
export const gaming = {
  about: 'runs whose judge is gamed by length, stuffing or repetition: whether gold ends them; --folder DIR, --workers N, --seeds N (5)',
  flags: ['--folder', '--workers', '--seeds'],
  measure: (say, flags) => runInFolder(new URL('gaming/gamed.mjs', import.meta.url).href, 'gaming', flags, say),
  table: armsTable,
}
