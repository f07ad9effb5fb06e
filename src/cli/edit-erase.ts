import { basename } from 'node:path'
import { writeEdit } from '../checkpoints/index.ts'
import { openModel } from '../policy/index.ts'
import { type ErasedConcept, erase, eraseMethods, erasePlaces, plainTexts, readControlTexts, readLabelledTexts } from '../whitebox/index.ts'
import { command, decimal, integer, oneOf, required, text } from './command.ts'
import { mustBeEdit } from './effect-rows.ts'

/** Takes what a linear reader finds of a label out of a model; the erasing is in src/whitebox. */
export const editErase = command({
  name: 'edit erase',
  about: 'Take what a linear probe reads of a label out of a model, as an edit, and say what a probe still reads on texts held out.',
  flags: {
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    rows: required(text('JSONL file with text and label', { shown: 'FILE' })),
    tap: text('where the label is read; after the middle block when left out', { shown: 'T' }),
    method: oneOf('leace: the least affine change; direction: what lies along the difference of means of two labels', eraseMethods, { default: 'leace' }), // biome-ignore format: one line
    where: oneOf('erased at the tap, or in all of the residual stream, which a folder of weights can hold', erasePlaces, {
      default: 'tap',
    }),
    positions: oneOf('tokens that stand for a text: its last, or the mean of all', ['last', 'mean'], { default: 'last' }),
    texts: text('JSONL file of other texts, which say what it costs; plain sentences when left out', { shown: 'FILE' }),
    heldOut: decimal('share of the rarest label that is held out', { default: 0.5, min: 0.01, max: 0.9 }),
    seed: integer('seed of the parts and the random directions', { default: 0, min: 0 }),
    to: required(text('where the edit is written', { shown: 'E' })),
  },
  examples: [
    'edit erase --rows rows.jsonl --tap blocks.1.out --to e.safetensors',
    'edit erase --rows rows.jsonl --where stream --to e.safetensors --json',
  ],

  async action({ model: name, rows: rowsFile, tap: tapGiven, positions: pool, texts: file, to, ...given }, screen, signal) {
    mustBeEdit('edit erase', to)
    const rows = await readLabelledTexts(rowsFile)
    const model = await openModel(name, { onProgress: screen.note })
    try {
      const control = file === undefined ? plainTexts.map((one) => model.ids(one)) : (await readControlTexts(file, model)).map(({ ids }) => ids) // biome-ignore format: one line
      const tap = tapGiven ?? `blocks.${Math.floor(model.config.layers / 2)}.out`
      const { edit, ...found } = await erase(model, rows, { ...given, tap, pool, control, signal })
      show(found, screen.table)
      const line = { model: model.name, tap, method: given.method, where: given.where, ...found }
      screen.emit({ to, ...line })
      const made = { by: 'edit erase', model: model.name, rows: basename(rowsFile), tap, pool, ...given }
      await writeEdit(to, edit(basename(to, '.safetensors'), { about: `takes ${rows.names.join(', ')} out at ${tap}`, made, measured: [line] })) // biome-ignore format: one line
      screen.note(
        `${found.rows.fitted} texts fitted on, ${found.rows.heldOut} held out: a probe is fitted to one half of these and reads the other`,
      )
      screen.line(`${to}  try it: innate complete ${name} --edit ${to}`)
    } finally {
      await model.close()
    }
  },
})

function show(found: Omit<ErasedConcept, 'edit'>, table: (rows: string[][]) => void): void {
  const { before, after, random, baseRate, rank, controlKl, randomKl } = found
  const scores = (name: string, { accuracy, loss }: ErasedConcept['before']) => [name, range(accuracy), range(loss)]
  table([
    ['a probe reads', 'accuracy', 'loss, nats'],
    scores('as it is', before),
    scores('erased', after),
    scores(`${rank} random direction${rank === 1 ? '' : 's'} taken out`, random),
    scores('nothing: the base rate', baseRate),
    ['KL on other texts', '', `${range(controlKl, 4)}; random ${range(randomKl, 4)}`],
  ])
}

function range({ estimate, low, high }: { readonly estimate: number; readonly low: number; readonly high: number }, digits = 2): string {
  return `${estimate.toFixed(digits)} [${low.toFixed(digits)}, ${high.toFixed(digits)}]`
}
