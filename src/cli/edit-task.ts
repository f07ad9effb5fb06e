import { basename } from 'node:path'
import { loadCheckpoint, saveAdapters, writeEdit } from '../checkpoints/index.ts'
import { UserError } from '../graph/errors.ts'
import { extractAdapter, taskVector } from '../whitebox/index.ts'
import { command, decimal, integer, required, text } from './command.ts'

/** Writes what fine-tuning changed, as an edit or as an adapter. */
export const editTask = command({
  name: 'edit task',
  about: 'Write what fine-tuning changed as an edit, the task vector, or as an adapter of a rank.',
  flags: {
    base: required(text('model by name or folder', { shown: 'A' })),
    tuned: required(text('the model that was tuned from it', { shown: 'B' })),
    scale: decimal('what the difference is multiplied by; -1 takes the task away', { default: 1 }),
    rank: integer('write the nearest adapter of this rank, as PEFT does, in the place of an edit', { min: 1 }),
    to: required(text('where it is written: a safetensors file, or with --rank a folder', { shown: 'E' })),
  },
  examples: [
    'edit task --base models/tiny --tuned models/happy --to happy.safetensors',
    'edit task --base models/tiny --tuned models/happy --scale -1 --to sad.safetensors',
    'edit task --base models/tiny --tuned models/happy --rank 4 --to happy-adapter --json',
  ],

  async action({ base, tuned, scale, rank, to }, screen) {
    if (rank !== undefined && to.endsWith('.safetensors'))
      throw new UserError(`edit task --to: must be a folder for an adapter, got ${to}; leave --rank out to write an edit`)
    const [before, after] = [
      await loadCheckpoint(base, { onProgress: screen.note }),
      await loadCheckpoint(tuned, { onProgress: screen.note }),
    ]
    const told = { to, base: before.name, tuned: after.name, scale }
    if (rank !== undefined) {
      const { adapters, lost, outside } = extractAdapter(before, after, { rank, scale })
      await saveAdapters(to, adapters, { name: before.name, config: before.config })
      screen.emit({ ...told, rank, layers: Object.keys(adapters.layers).length, lost, outside })
      screen.line(`${to}  rank ${rank} on ${Object.keys(adapters.layers).length} layers; ${percent(lost)} of ‖δ‖² is lost by the rank`)
      if (outside > 0) screen.note(`${percent(outside)} of ‖δ‖² lies where no adapter is: embedding, norms or biases; an edit holds it too`)
      return
    }
    const edit = taskVector(before, after, { name: basename(to, '.safetensors'), scale })
    await writeEdit(to, edit)
    const [first, rest] = edit.acts.map((act) => (act.kind === 'delta' ? Object.keys(act.weights).length : 0))
    const norm = Number(edit.measured![0]!.norm)
    screen.emit({ ...told, tensors: first, rest: rest ?? 0, norm })
    screen.line(`${to}  ${first} tensors, ‖δ‖ = ${norm.toPrecision(3)}; try it: innate complete ${base} --edit ${to}`)
  },
})

function percent(share: number): string {
  return `${(100 * share).toPrecision(2)} %`
}
