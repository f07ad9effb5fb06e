import { openModel } from '../policy/index.ts'
import type { Estimate } from '../runs/index.ts'
import { type LayerChange, layerSweep, layerSweepPage, readTextFile, type SweepKind } from '../whitebox/index.ts'
import { command, required, text } from './command.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'
import { untold } from './untold.ts'

/** Prints what is left of a model's predictions when its blocks are swapped, deleted, reversed or repeated; the sweep is in src/whitebox. */
export const swapCommand = command({
  name: 'swap',
  about: 'Swap, delete, reverse and repeat the blocks of a model, and say what is left of its predictions on texts.',
  flags: {
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    texts: required(text('JSONL file: text, prompt or prompt_ids, two rows or more', { shown: 'FILE' })),
    ...reportFlag,
  },
  examples: ['swap --model stories5m --texts rows.jsonl', 'swap --model stories5m --texts rows.jsonl --report swap.html --json'],

  async action({ model: name, texts: file, report }, screen, signal) {
    const model = await openModel(name, { onProgress: screen.note })
    try {
      const texts = await readTextFile(file, model, { least: 2 })
      let bar: ReturnType<typeof screen.progress> | undefined
      let shown: SweepKind | undefined
      const sweep = await layerSweep(model, texts.map(({ ids }) => ids), { signal, onChange: show }) // biome-ignore format: one line
      bar?.done()
      if (sweep.loss.cannotTell) screen.note(`intervals cannot tell: ${sweep.loss.cannotTell}`)

      /** A row as soon as it is known, since a large model takes long. */
      function show({ kind, layers, top1, loss, kl }: LayerChange, { of, loss: before }: { readonly of: number; readonly loss: Estimate }) {
        screen.emit({
          kind,
          layers,
          top1: top1.estimate,
          loss: loss.estimate,
          kl: kl.estimate,
          intervals: { top1: [top1.low, top1.high], loss: [loss.low, loss.high], kl: [kl.low, kl.high] },
          ...untold({ top1, loss, kl }),
          before: { loss: before.estimate },
          texts: top1.n,
        })
        if (shown === undefined) screen.line(`loss as it is: ${before.estimate.toFixed(3)} nats per token, ${before.n} texts`)
        if (shown !== kind) screen.line(`\n${aligned([kind, 'likeliest token kept', 'loss', 'KL, nats'])}`)
        shown = kind
        screen.line(aligned(row({ kind, layers, top1, loss, kl })))
        bar ??= screen.progress('changing blocks', of)
        bar.advance()
      }
      await writeReportPage(report, screen, () => layerSweepPage(model.name, sweep))
    } finally {
      await model.close()
    }
  },
})

const widths = [11, 20, 6, 8]

function aligned(cells: readonly string[]): string {
  return cells
    .map((cell, i) => cell.padEnd(widths[i]!))
    .join('  ')
    .trimEnd()
}

function row({ layers, top1, loss, kl }: LayerChange): string[] {
  const places = layers.length > 2 ? `${layers[0]} to ${layers.at(-1)}` : layers.join(', ')
  const kept = `${top1.estimate.toFixed(2)} [${top1.low.toFixed(2)}, ${top1.high.toFixed(2)}]`
  return [places, kept, loss.estimate.toFixed(3), kl.estimate.toFixed(3)]
}
