import { saveProbes } from '../goals/index.ts'
import { openModel } from '../policy/index.ts'
import { probeKinds, probesOf, probesPage, readLabelledTexts, readProbes, type TapReading } from '../whitebox/index.ts'
import { command, decimal, integer, oneOf, required, text } from './command.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'

/** Fits probes to taps of a model. */
export const readProbeCommand = command({
  name: 'read probe',
  about: 'Fit probes: what of a label can be read from inside a model, on texts held out, beside control tasks.',
  flags: {
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    rows: required(text('JSONL file with text and label, plain or .gz', { shown: 'FILE' })),
    tap: text('tap to read; with * one in every block', { default: 'blocks.*.out', shown: 'T' }),
    kind: oneOf('how a probe is fitted', Object.keys(probeKinds) as (keyof typeof probeKinds)[], { default: 'logistic' }),
    positions: oneOf('tokens that stand for a text: its last, or the mean of all', ['last', 'mean'], { default: 'last' }),
    k: integer('neurons of a k-sparse probe', { default: 8, min: 1 }),
    l2: decimal('weight of the penalty of logistic and ridge, features in standard deviations', { default: 1, min: 1e-6 }),
    heldOut: decimal('share of the rarest label that is held out', { default: 0.3, min: 0.01, max: 0.9 }),
    seed: integer('seed for the parts and the control tasks', { default: 0, min: 0 }),
    to: text('where the probes are written, for a goal of a recipe', { shown: 'FILE' }),
    ...reportFlag,
  },
  examples: [
    'read probe --model stories5m --rows rows.jsonl --tap blocks.*.out',
    'read probe --model stories5m --rows rows.jsonl --tap blocks.*.out --kind k-sparse --json',
    'read probe --rows rows.jsonl --positions mean --to probes.out --report probes.html',
  ],

  async action({ model: name, rows: file, tap, kind, positions: pool, k, l2, heldOut, seed, to, report }, screen, signal) {
    const rows = await readLabelledTexts(file)
    const model = await openModel(name, { onProgress: screen.note })
    try {
      let bar: ReturnType<typeof screen.progress> | undefined
      const onTap = (_: number, of: number) => (bar ??= screen.progress('fitting', of)).advance()
      const options = { kind, pool, k, l2, heldOut, seed, onTap, signal }
      const found = await readProbes(model, rows, tap, options)
      bar?.done()
      for (const reading of found.readings) screen.emit(line(reading, kind, rows.names))
      screen.table([
        ['tap', 'accuracy', '', 'control', 'selectivity', ''],
        ...found.readings.map(({ tap, accuracy, control, selectivity }) => [
          tap,
          share(accuracy),
          between(accuracy),
          share(control),
          share(selectivity),
          between(selectivity),
        ]),
      ])
      if (found.readings[0]?.areas)
        screen.table([
          ['tap', 'ROC area', `${k} random`, 'shuffled labels'],
          ...found.readings.map(({ tap, areas }) => [
            tap,
            ...[areas!.chosen, areas!.random, areas!.shuffled].map((area) => `${share(area)} ${between(area)}`),
          ]),
        ])
      screen.note(
        `${found.train} texts fitted on, ${found.heldOut} held out; chance is ${(1 / rows.names.length).toFixed(2)}; control: random labels by token`,
      )
      if (to !== undefined) {
        await saveProbes(to, probesOf(found, rows, { kind, pool, model: { name: model.name, sha256: model.hash } }))
        screen.note(`probes: ${to}`)
      }
      await writeReportPage(report, screen, () => probesPage(model.name, kind, rows, found))
    } finally {
      await model.close()
    }
  },
})

function line({ tap, layer, accuracy, control, selectivity, areas }: TapReading, kind: string, labels: readonly string[]) {
  const { estimate, ...interval } = selectivity
  return {
    layer: layer ?? null,
    accuracy,
    control,
    selectivity: estimate,
    selectivityInterval: interval,
    tap,
    kind,
    labels,
    chance: 1 / labels.length,
    ...(areas ? { areas } : {}),
  }
}

function share({ estimate }: { readonly estimate: number }): string {
  return estimate.toFixed(2)
}

function between({ low, high }: { readonly low: number; readonly high: number }): string {
  return `[${low.toFixed(2)}, ${high.toFixed(2)}]`
}
