import { applyEdit } from '../checkpoints/index.ts'
import { command, text } from './command.ts'
import { logRows } from './edit-log.ts'

/** Applies an edit to a model folder, so that it can be taken back bit for bit. */
export const editApply = command({
  name: 'edit apply',
  about: 'Apply an edit to a model folder, after those that it is under; any of them can be reverted later, bit for bit.',
  args: { model: text('model folder of safetensors'), edit: text('file of the edit') },
  examples: ['edit apply models/mine kinder.safetensors', 'edit apply models/mine kinder.safetensors --json'],

  async action({ model, edit }, screen) {
    const log = await applyEdit(model, edit)
    const entry = log.edits.at(-1)!
    screen.emit({ model, ...entry, weights: log.weights })
    screen.line(`${entry.name} is applied as edit ${entry.number}; take it back with: innate edit revert ${model} ${entry.number}`)
    screen.table(logRows(log))
  },
})
