import { baseOf, describeAct, diffEdits, diffWeights, loadCheckpoint, readEdit } from '../checkpoints/index.ts'
import { UserError } from '../graph/errors.ts'
import { command, text } from './command.ts'

/** Prints in what two models, or two edits, differ. */
export const editDiff = command({
  name: 'edit diff',
  about: 'Print what the edits of a model folder changed; or in what two models, or two edit files, differ.',
  args: {
    before: text('model by name or folder, or file of an edit'),
    after: text('another of its kind; of one folder alone, its base is compared with it', { default: '' }),
  },
  examples: ['edit diff models/mine', 'edit diff models/mine models/tiny --json', 'edit diff kinder.safetensors kinder.safetensors'],

  async action({ before, after }, screen) {
    const isEdit = (name: string) => name.endsWith('.safetensors')
    if (isEdit(before)) {
      const edits = await Promise.all([before, after || before].map(readEdit))
      if (after === '') {
        for (const [act, one] of edits[0]!.acts.entries()) {
          screen.emit({ act, does: describeAct(one) })
          screen.line(describeAct(one))
        }
        return
      }
      const found = diffEdits(edits[0]!, edits[1]!)
      for (const row of found) screen.emit(row)
      if (found.length === 0) screen.line('the edits do the same')
      else screen.table([['act', before, after, 'cosine'], ...found.map((row) => [String(row.act), row.before ?? '', row.after ?? '', row.cosine?.toFixed(4) ?? ''])]) // biome-ignore format: one line
      return
    }
    if (after !== '' && isEdit(after))
      throw new UserError(`edit diff: two of a kind can be compared, got a model and the edit ${after}; give two models or two edits`)
    const one = after === '' ? await baseOf(before) : await loadCheckpoint(before, { onProgress: screen.note })
    const other = await loadCheckpoint(after || before, { onProgress: screen.note })
    const found = diffWeights(one, other)
    for (const row of found) screen.emit(row)
    const acts = (other.edits ?? []).flatMap((edit) => edit.acts.map((act) => ({ edit: edit.name, does: describeAct(act) })))
    for (const act of acts) screen.emit(act)
    if (found.length + acts.length === 0) screen.line('no weight differs, and nothing is done to activations')
    if (found.length > 0)
      screen.table([
        ['weights', 'numbers that differ', '‖difference‖', 'of ‖before‖', 'largest'],
        ...found.map(({ weights, changed, of, norm, relative, largest }) => [weights, `${changed.toLocaleString('en-US')} of ${of.toLocaleString('en-US')}`, norm.toPrecision(3), `${(100 * relative).toPrecision(2)} %`, largest.toPrecision(2)]), // biome-ignore format: one line
      ])
    for (const { edit, does } of acts) screen.line(`${edit}: ${does}`)
  },
})
