import { dataFile } from '../checkpoints/index.ts'
import { convertPreferences, countReasons, readAs, writeQuarantine } from '../preferences/index.ts'
import { columnsFlag, columnsOf } from './columns-flag.ts'
import { command, required, text } from './command.ts'

/** Writes preferences in the columns that TRL reads. */
export const pairsConvert = command({
  name: 'pairs convert',
  about: "Write a file of preferences or texts, in any form that is read, as JSON lines in TRL's columns.",
  args: { file: text('file in any form of docs/data.md') },
  flags: {
    to: required(text('what is written, .jsonl or .jsonl.gz', { shown: 'OUT' })),
    ...columnsFlag,
    quarantine: text('where rows set aside are written; beside OUT when left out', { shown: 'FILE' }),
  },
  examples: ['pairs convert pairs.jsonl --to trl.jsonl', 'pairs convert pairs.jsonl --to trl.jsonl.gz --json'],

  async action({ file, to, columns, quarantine = `${to.replace(/\.jsonl(\.gz)?$/, '')}.quarantine.jsonl` }, screen, signal) {
    const { quarantined, ...made } = await convertPreferences(await dataFile(file, screen.note), to, {
      columns: columnsOf(columns),
      onRow: () => signal.throwIfAborted(),
    })
    await writeQuarantine(quarantine, quarantined)
    const aside = quarantined.length > 0
    screen.emit({ file, to, ...made, quarantined: countReasons(quarantined), ...(aside && { quarantine }) })
    const count = (n: number) => n.toLocaleString('en-US')
    screen.table([
      ['read as', readAs(made.dialects)],
      ['written', `${count(made.written)} of ${count(made.rows)} rows, ${made.kind === 'labelled' ? 'labelled completions' : made.kind}`],
      ['to', to],
      ...Object.entries(countReasons(quarantined)).map(([reason, rows], i) => [i === 0 ? 'set aside' : '', `${count(rows)} ${reason}`]),
    ])
    if (aside) screen.note(`rows set aside, each with line and reason: ${quarantine}`)
  },
})
