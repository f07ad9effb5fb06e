import { basename } from 'node:path'
import { type Checkpoint, dataFile, loadCheckpoint } from '../checkpoints/index.ts'
import { readPromptFile } from '../collect/index.ts'
import {
  checkPreferences,
  kindOfFile,
  loadLabelled,
  loadPairs,
  overlapsOf,
  renderCheck,
  renderOverlaps,
  truncations,
  writeQuarantine,
} from '../preferences/index.ts'
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
    truncate: oneOf(
      'what becomes of rows that are too long: set aside, or the prompt cut at its start or middle, or the completion at its end',
      truncations,
      { default: 'none' },
    ),
    ...columnsFlag,
    heldOut: text('file of held-out pairs or prompts, to see what of it is trained on', { shown: 'FILE' }),
    sealed: text('the same of a file that is to be looked at once', { shown: 'FILE' }),
    quarantine: text('where rows set aside are written; beside the file when left out', { shown: 'FILE' }),
  },
  examples: ['pairs check pairs.jsonl --model stories5m', 'pairs check pairs.jsonl --model stories5m --boundary trim --json'],

  async action({ file: given, model, boundary, maxLength, truncate, columns: words, heldOut, sealed, quarantine: told }, screen) {
    const file = await dataFile(given, screen.note)
    const quarantine = told ?? besides(file === given ? given : basename(given))
    const checkpoint = await loadCheckpoint(model, { onProgress: screen.note })
    const columns = columnsOf(words)
    const template = await loadChatTemplate(checkpoint.folder)
    const load = (await kindOfFile(file, columns)) === 'pairs' ? loadPairs : loadLabelled
    const loaded = await load(file, checkpoint, { boundary, truncate, template, columns, ...(maxLength !== undefined && { maxLength }) })
    const check = checkPreferences(loaded, checkpoint)
    const aside = loaded.quarantined
    await writeQuarantine(quarantine, aside)
    const parts = { train: loaded.examples.map(({ prompt }) => prompt), ...(await promptsIn({ heldOut, sealed }, checkpoint)) }
    const overlaps = overlapsOf(parts, checkpoint.tokenizer)
    screen.emit({ ...check, ...(overlaps.length > 0 && { overlaps }), ...(aside.length > 0 && { quarantine }) })
    screen.line([...renderCheck(check), ...renderOverlaps(overlaps)].join('\n'))
    if (aside.length > 0) screen.note(`rows set aside, each with line and reason: ${quarantine}`)
  },
})

/** Prompts of the files that are given, in tokens. */
async function promptsIn(files: Readonly<Record<string, string | undefined>>, checkpoint: Checkpoint) {
  const given = Object.entries(files).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const read = await Promise.all(given.map(async ([name, file]) => [name, (await readPromptFile(file, checkpoint)).map(({ ids }) => ids)]))
  return Object.fromEntries(read) as Record<string, readonly (readonly number[])[]>
}

/** `pairs.quarantine.jsonl` beside `pairs.jsonl.gz`. */
function besides(file: string): string {
  return `${file.replace(/(\.jsonl)?(\.gz)?$/, '')}.quarantine.jsonl`
}
