import { revertEdit } from '../checkpoints/index.ts'
import { command, text } from './command.ts'
import { logRows } from './edit-log.ts'

/** Takes an edit of a model folder back, bit for bit. */
export const editRevert = command({
  name: 'edit revert',
  about: 'Take an edit of a model folder back, whichever it is: what is left is bit for bit the base under the others, in their order.',
  args: { model: text('model folder of safetensors'), edit: text('number of the edit, its name, or its file') },
  examples: ['edit revert models/mine 1', 'edit revert models/mine kinder.safetensors --json'],

  async action({ model, edit }, screen) {
    const log = await revertEdit(model, edit)
    const entry = log.reverted.at(-1)!
    screen.emit({ model, ...entry, weights: log.weights })
    screen.line(`${entry.name}, edit ${entry.number}, is reverted${log.edits.length === 0 ? '; the weights are those of the base' : ''}`)
    if (log.edits.length > 0) screen.table(logRows(log))
  },
})
