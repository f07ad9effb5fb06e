import { loadCheckpoint } from '../checkpoints/index.ts'
import { checkPreferences, kindOfFile, loadLabelled, loadPairs, renderCheck, writeQuarantine } from '../preferences/index.ts'
import { command, integer, oneOf, text } from './command.ts'

/** Shows what a file of preferences is to a model; the counting is in src/preferences. */
export const pairsCheck = command({
  name: 'pairs check',
  about: 'Show a file of preferences as the model meets it: tokens, boundary, end tokens, duplicates, and every row that cannot be used.',
  args: {
    file: text('JSONL, plain or .gz: prompt, chosen, rejected · or prompt, completion, label · or prompt_ids, chosen_ids, rejected_ids'),
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
    quarantine: text('where rows set aside are written; beside the file when left out', { shown: 'FILE' }),
  },
  examples: ['pairs check pairs.jsonl --model stories5m', 'pairs check pairs.jsonl --model stories5m --boundary trim --json'],

  async action({ file, model, boundary, maxLength, quarantine = besides(file) }, screen) {
    const checkpoint = await loadCheckpoint(model, { onProgress: screen.note })
    const load = (await kindOfFile(file)) === 'pairs' ? loadPairs : loadLabelled
    const loaded = await load(file, checkpoint, { boundary, ...(maxLength !== undefined && { maxLength }) })
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
