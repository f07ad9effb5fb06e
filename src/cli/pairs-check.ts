import { loadCheckpoint } from '../checkpoints/index.ts'
import { checkPreferences, kindOfFile, loadLabelled, loadPairs, renderCheck, writeQuarantine } from '../preferences/index.ts'
import { loadChatTemplate } from '../text/index.ts'
import { columnsFlag, columnsOf } from './columns-flag.ts'
import { command, integer, oneOf, text } from './command.ts'

/** Shows what a file of preferences is to a model; the counting is in src/preferences. */
export const pairsCheck = command({
  name: 'pairs check',
  about: 'Show a file of preferences as the model meets it: tokens, boundary, end tokens, duplicates, and every row that cannot be used.',
  args: {
    file: text(
      'JSONL, a JSON array, CSV or Parquet, plain or .gz, in any form of docs/data.md: TRL, ShareGPT, messages, hh, UltraFeedback, Alpaca, …',
    ),
  },
  flags: {
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    boundary: oneOf(
      'what to do when a prompt is not a token prefix: set the row aside, or cut the prompt to what agrees',
      ['strict', 'trim'],
      {
        default: 'strict',
      },
    ),
    maxLength: integer("longest prompt and completion together; the model's context when left out", { unit: 'tokens', min: 2 }),
    ...columnsFlag,
    quarantine: text('where rows set aside are written; beside the file when left out', { shown: 'FILE' }),
  },
  examples: ['pairs check pairs.jsonl --model stories5m', 'pairs check pairs.jsonl --model stories5m --boundary trim --json'],

  async action({ file, model, boundary, maxLength, columns: words, quarantine = besides(file) }, screen) {
    const checkpoint = await loadCheckpoint(model, { onProgress: screen.note })
    const columns = columnsOf(words)
    const template = await loadChatTemplate(checkpoint.folder)
    const load = (await kindOfFile(file, columns)) === 'pairs' ? loadPairs : loadLabelled
    const loaded = await load(file, checkpoint, { boundary, template, columns, ...(maxLength !== undefined && { maxLength }) })
    const check = checkPreferences(loaded, checkpoint)
    const aside = loaded.quarantined
    await writeQuarantine(quarantine, aside)
    screen.emit({ ...check, ...(aside.length > 0 && { quarantine }) })
    screen.line(renderCheck(check).join('\n'))
    if (aside.length > 0) screen.note(`rows set aside, each with line and reason: ${quarantine}`)
  },
})

/** `pairs.quarantine.jsonl` beside `pairs.jsonl.gz`. */
function besides(file: string): string {
  return `${file.replace(/(\.jsonl)?(\.gz)?$/, '')}.quarantine.jsonl`
}
