import { basename } from 'node:path'
import { writeEdit } from '../checkpoints/index.ts'
import { UserError } from '../graph/errors.ts'
import { tapsNamed } from '../models/taps.ts'
import { openModel } from '../policy/index.ts'
import type { Estimate } from '../runs/index.ts'
import { type DasFound, das, dasPage, holding, readInterchangeRows, usualSteps } from '../whitebox/index.ts'
import { command, decimal, integer, required, text } from './command.ts'
import { editFlag } from './edit-flag.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'

/** Finds the subspace that carries a variable; the search is in src/whitebox. */
export const readDas = command({
  name: 'read das',
  about: 'Distributed alignment search: the directions inside that carry what two texts differ in, on rows held out, beside controls.',
  flags: {
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    rows: required(
      text('JSONL file: base, source, the answer after the base once it has the variable of the source, wrong', { shown: 'FILE' }),
    ),
    tap: required(text('where, such as blocks.3.out; with * in every block, one search each', { shown: 'T' })),
    k: integer('dimensions of the subspace', { default: 1, min: 1 }),
    position: integer('token of the base: 0 is the begin token, -1 the last', { default: -1 }),
    sourcePosition: integer('token of the source; the same when left out'),
    steps: integer('updates of the search', { default: usualSteps, min: 1 }),
    lr: decimal('learning rate of the first one', { default: 0.02, min: 1e-6 }),
    heldOut: decimal('share of the rows that is held out', { default: 0.5, min: 0.05, max: 0.95 }),
    seed: integer('seed of the parts, the start and the controls', { default: 0, min: 0 }),
    to: text('where the subspace is written, of several taps the best: an edit that holds what lies in it at its mean', { shown: 'E' }),
    ...editFlag,
    ...reportFlag,
  },
  examples: [
    'read das --rows subjects.jsonl --tap blocks.4.out --steps 4',
    'read das --rows subjects.jsonl --tap blocks.5.out --steps 2 --to e.safetensors --json',
  ],

  async action({ model: name, rows: file, tap, to, edit, report, position, sourcePosition, ...options }, screen, signal) {
    if (to?.endsWith('.gguf'))
      throw new UserError(`read das --to: must be a safetensors file, got ${to}; a control vector cannot hold a subspace`)
    const model = await openModel(name, { onProgress: screen.note, edit })
    try {
      const rows = await readInterchangeRows(file, model, { position, ...(sourcePosition === undefined ? {} : { sourcePosition }) })
      const taps = tapsNamed('read das --tap', tap, model.config)
      const found: DasFound[] = []
      let bar: ReturnType<typeof screen.progress> | undefined
      for (const one of taps) {
        const onDone = (_: number, of: number) => (bar ??= screen.progress('searching', of * taps.length)).advance()
        found.push(await das(model, rows, { ...options, tap: one, onDone, signal }))
      }
      bar?.done()
      for (const { basis: _, mean: __, ...one } of found) screen.emit({ ...one, position })
      screen.table([
        ['tap', 'accuracy', '', 'arbitrary', 'fresh', 'random', 'nothing', 'whole', ''],
        ...found.map(({ tap, iia, controls: { arbitrary, reinitialised, random }, none, whole, finding }) => [
          tap,
          share(iia),
          `[${iia.low.toFixed(2)}, ${iia.high.toFixed(2)}]`,
          ...[arbitrary, reinitialised, random, none, whole].map(share),
          finding,
        ]),
      ])
      const best = found.reduce((a, b) => (b.iia.low > a.iia.low ? b : a))
      const { fit, heldOut, split } = best.rows
      screen.note(`${fit} rows fitted on, ${heldOut} held out; ${split === 'texts' ? 'no text of these was fitted on' : 'they share texts with those fitted on, so only the pairs are new'}`) // biome-ignore format: one line
      if (to !== undefined) {
        const { basis, mean, ...measured } = best
        const about = `holds what lies in ${basis.length} of ${mean.length} dimensions of ${best.tap} at its mean`
        const made = { by: 'read das', model: model.name, rows: basename(file), position, ...options }
        await writeEdit(to, holding(basename(to).replace(/\.safetensors$/, ''), model, best, { about, made, measured: [measured] }))
        screen.line(`${to}  ${about}; try it: innate complete ${name} --edit ${to}`)
      }
      await writeReportPage(report, screen, () => dasPage(model.name, found))
    } finally {
      await model.close()
    }
  },
})

function share({ estimate }: Estimate): string {
  return estimate.toFixed(2)
}
