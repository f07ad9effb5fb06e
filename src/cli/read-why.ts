import { openModel } from '../policy/index.ts'
import { why, whyPage } from '../whitebox/index.ts'
import { command, integer, required, text } from './command.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'

/** Prints the parts that carry the difference between two answers, and what they are worth; the weighing is in src/whitebox. */
export const readWhy = command({
  name: 'read why',
  about:
    'Why one answer and not another: the heads, MLPs and tokens that carry the difference, and what they are worth beside random ones.',
  flags: {
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    text: required(text('what the model reads, begin token and all, as complete reads it')),
    answer: required(text('what follows, one token')),
    wrong: required(text('what could follow, one token')),
    k: integer('how many parts', { default: 8, min: 1 }),
    seed: integer('seed of the random parts', { default: 0, min: 0 }),
    ...reportFlag,
  },
  examples: [
    "read why --text 'The girl lost' --answer ' her' --wrong ' his'",
    "read why --text 'The girl lost' --answer ' her' --wrong ' his' --k 4 --json",
  ],

  async action({ model: name, text: words, answer, wrong, k, seed, report }, screen, signal) {
    const model = await openModel(name, { onProgress: screen.note })
    try {
      let bar: ReturnType<typeof screen.progress> | undefined
      let shown = 0
      const onRuns = (done: number, of: number) => {
        bar ??= screen.progress('ablating', of)
        bar.advance(done - shown)
        shown = done
      }
      const found = await why(model, words, { answer, wrong }, { k, seed, onRuns, signal })
      bar?.done()
      const { parts, kept, ablated, random, finding, difference } = found
      for (const part of parts) screen.emit(part)
      screen.emit({ kept, ablated, random, finding })
      screen.line(`${JSON.stringify(answer)} over ${JSON.stringify(wrong)} by ${difference.toFixed(2)} nats`)
      screen.table([['lost alone', 'part'], ...parts.map((part) => [percent(part.effect), part.words])])
      screen.line()
      screen.table([
        ['', 'these parts', 'random ones'],
        ['kept when only they are kept', percent(kept.share), between(random.kept)],
        ['lost when only they are ablated', percent(ablated.share), between(random.lost)],
      ])
      screen.line(finding)
      await writeReportPage(report, screen, () => whyPage({ model: model.name, text: words, answer, wrong }, found))
    } finally {
      await model.close()
    }
  },
})

function percent(share: number): string {
  return `${Math.round(100 * share)} %`
}

function between({ estimate, low, high }: { estimate: number; low: number; high: number }): string {
  const ends = [low, high].every(Number.isFinite) ? `${percent(low)} to ${percent(high)}` : 'cannot tell'
  return `${percent(estimate)} [${ends}]`
}
