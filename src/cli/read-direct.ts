import { openModel } from '../policy/index.ts'
import { directAttribution, directPage, partName, sumOf } from '../whitebox/index.ts'
import { command, required, text } from './command.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'

/** Prints what each part of a model adds to a logit difference; the reading is in src/whitebox. */
export const readDirect = command({
  name: 'read direct',
  about: 'Split the difference of two answers’ logits into what the embedding, every head and every MLP add to it; the parts add up.',
  flags: {
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    text: required(text('what the model reads, begin token and all, as complete reads it')),
    answer: required(text('what should follow, one token')),
    wrong: required(text('the other answer, one token')),
    ...reportFlag,
  },
  examples: [
    "read direct --text 'The girl lost' --answer ' her' --wrong ' his' --json",
    "read direct --text 'The girl lost' --answer ' her' --wrong ' his' --report direct.html",
  ],

  async action({ model: name, text: words, answer, wrong, report }, screen) {
    const model = await openModel(name, { onProgress: screen.note })
    try {
      const found = await directAttribution(model, { text: words, answer, wrong })
      for (const part of found.parts) screen.emit(part)
      screen.emit({ difference: found.difference, sum: sumOf(found.parts) })
      screen.line(
        `logit of ${JSON.stringify(answer)} less that of ${JSON.stringify(wrong)}: ${found.difference.toFixed(3)}, the sum of ${found.parts.length} parts`,
      )
      const most = found.parts.toSorted((a, b) => Math.abs(b.logit) - Math.abs(a.logit)).slice(0, 12)
      screen.table([['part', 'adds, nats'], ...most.map((part) => [partName(part), part.logit.toFixed(3)])])
      await writeReportPage(report, screen, () => directPage({ model: model.name, pieces: model.pieces(words), answer, wrong, ...found }))
    } finally {
      await model.close()
    }
  },
})
