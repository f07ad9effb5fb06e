import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { dataFile, loadVocabulary, type ModelVocabulary } from '../checkpoints/index.ts'
import { readPromptFile } from '../collect/index.ts'
import { checkFile, kindOfFile, openQuarantine, overlapsOf, renderCheck, renderOverlaps, truncations } from '../preferences/index.ts'
import { loadChatTemplate } from '../text/index.ts'
import { columnsFlag, columnsOf } from './columns-flag.ts'
import { command, integer, oneOf, text } from './command.ts'

/** How many times smaller a packed file of texts is, for how long it will take. */
const usuallyPacked = 3

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

  async action({ file: given, model, boundary, maxLength, truncate, columns: words, heldOut, sealed, quarantine: told }, screen, signal) {
    const file = await dataFile(given, screen.note)
    const quarantine = told ?? besides(file === given ? given : basename(given))
    const checkpoint = await loadVocabulary(model, { onProgress: screen.note })
    const columns = columnsOf(words)
    const template = await loadChatTemplate(checkpoint.folder)
    const kind = await kindOfFile(file, columns)
    const aside = openQuarantine(quarantine)
    let [read, shown] = [0, 0]
    const bar = screen.progress(
      'rows, in MB',
      Math.ceil(((await stat(file)).size * (/\.(gz|parquet)$/.test(file) ? usuallyPacked : 1)) / 1e6),
    )
    try {
      const options = { kind, boundary, truncate, template, columns, ...(maxLength !== undefined && { maxLength }) }
      const checked = await checkFile(file, checkpoint, {
        ...options,
        onAside: aside.add,
        onRead(size) {
          signal.throwIfAborted()
          read += size
          bar.advance(Math.floor(read / 1e6) - shown, '')
          shown = Math.floor(read / 1e6)
        },
      })
      bar.done()
      await aside.finish()
      const others = await promptsIn({ heldOut, sealed }, checkpoint)
      const overlaps = Object.keys(others).length === 0 ? [] : overlapsOf(checked, others, checkpoint.tokenizer)
      checked.prompts.close()
      screen.emit({ ...checked.check, ...(overlaps.length > 0 && { overlaps }), ...(aside.rows > 0 && { quarantine }) })
      screen.line([...renderCheck(checked.check), ...renderOverlaps(overlaps)].join('\n'))
      if (aside.rows > 0) screen.note(`rows set aside, each with line and reason: ${quarantine}`)
    } finally {
      aside.discard()
    }
  },
})

/** Prompts of the files that are given, in tokens. */
async function promptsIn(files: Readonly<Record<string, string | undefined>>, checkpoint: ModelVocabulary) {
  const given = Object.entries(files).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const read = await Promise.all(given.map(async ([name, file]) => [name, (await readPromptFile(file, checkpoint)).map(({ ids }) => ids)]))
  return Object.fromEntries(read) as Record<string, readonly (readonly number[])[]>
}

/** `pairs.quarantine.jsonl` beside `pairs.jsonl.gz`. */
function besides(file: string): string {
  return `${file.replace(/(\.jsonl)?(\.gz)?$/, '')}.quarantine.jsonl`
}
