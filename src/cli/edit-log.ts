import { type EditLog, editLog as readLog } from '../checkpoints/index.ts'
import { command, text } from './command.ts'

/** Prints which edits a model folder is under, and which were taken back. */
export const editLog = command({
  name: 'edit log',
  about: 'Print which edits a model folder is under, in their order, and which were reverted.',
  args: { model: text('model folder of safetensors') },
  examples: ['edit log models/mine', 'edit log models/mine --json'],

  async action({ model }, screen) {
    const log = await readLog(model)
    for (const entry of log.edits) screen.emit({ ...entry, state: 'applied' })
    for (const entry of log.reverted) screen.emit({ ...entry, state: 'reverted' })
    if (log.edits.length + log.reverted.length === 0) screen.line(`${model} is under no edit`)
    else screen.table(logRows(log))
    screen.line(screen.colour.dim(`base ${log.base.slice(0, 12)}  now ${log.weights.slice(0, 12)}`))
  },
})

/** A log as a table for people. */
export function logRows({ edits, reverted }: EditLog): string[][] {
  const row = (state: string) => (entry: EditLog['edits'][number]) => [String(entry.number), entry.name, state, (entry.reverted ?? entry.applied).slice(0, 16).replace('T', ' '), entry.sha256.slice(0, 12)] // biome-ignore format: one line
  return [['edit', 'name', '', 'since', 'sha256'], ...edits.map(row('applied')), ...reverted.map(row('reverted'))]
}
