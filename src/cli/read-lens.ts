import { openModel } from '../policy/index.ts'
import { type LensRow, lensPage, loadLens, logitLens, readLens } from '../whitebox/index.ts'
import { command, integer, required, text } from './command.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'

/** Prints what a model would say next after each of its blocks; the reading is in src/whitebox. */
export const readLensCommand = command({
  name: 'read lens',
  about: 'Read the next token from the residual stream after every block, at every token of a text.',
  flags: {
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    text: required(text('what the model reads, begin token and all, as complete reads it')),
    lens: text('a lens that read fit wrote; the logit lens when left out', { shown: 'LENS.safetensors' }),
    top: integer('the likeliest tokens of each', { default: 5, min: 1 }),
    ...reportFlag,
  },
  examples: ['read lens --model stories5m --text Once', 'read lens --model stories5m --text Once --top 3 --report lens.html --json'],

  async action({ model: name, text: words, lens: file, top, report }, screen, signal) {
    const model = await openModel(name, { onProgress: screen.note })
    try {
      const lens = file === undefined ? logitLens(model.config) : await loadLens(file, model.config)
      const bar = screen.progress('reading', model.config.layers)
      const rows = await readLens(model, words, { lens, top, signal, onLayer: () => bar.advance() })
      bar.done()
      for (const row of rows) screen.emit(row)
      const last = rows.filter(({ position }) => position === rows.at(-1)!.position)
      screen.line(`after ${JSON.stringify(rows.at(-1)!.token)}, what comes next as it looks after each block:`)
      screen.table([['block', 'likeliest next tokens'], ...last.map((row) => [String(row.layer), said(row)])])
      await writeReportPage(report, screen, () => lensPage(model.name, lens.kind, rows))
    } finally {
      await model.close()
    }
  },
})

function said({ top }: LensRow): string {
  return top.map(({ token, logp }) => `${token} ${Math.exp(logp).toFixed(2)}`).join('  ')
}
