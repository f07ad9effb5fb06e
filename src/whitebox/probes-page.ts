import { figure, type MeasureRow, type Page } from '../runs/index.ts'
import type { LabelledTexts } from './labelled-texts.ts'
import type { ReadProbes, TapReading } from './probes.ts'

/** A page that shows what probes read of each tap, beside their control tasks. */
export function probesPage(
  model: string,
  kind: string,
  { names }: Pick<LabelledTexts, 'names'>,
  { readings, train, heldOut }: ReadProbes,
): Page {
  const best = readings.reduce((most, one) => (one.selectivity.estimate > most.selectivity.estimate ? one : most))
  const { accuracy, control } = best
  const figureOf = (
    title: string,
    about: string,
    curves: Readonly<Record<string, (one: TapReading) => Omit<MeasureRow, 'name' | 'group'>>>,
  ) => {
    const many = readings.length > 1 && readings.every(({ layer }) => layer !== undefined)
    const rows = Object.entries(curves).flatMap(([name, of]) =>
      readings.map((one) => ({
        ...of(one),
        name: many ? name : `${one.tap}: ${name}`,
        group: { tap: one.tap, ...(many ? { layer: one.layer! } : {}) },
      })),
    )
    return figure({ about, rows }, many ? 'lines' : 'intervals', {
      title,
      unit: rows[0]!.unit,
      about,
      ...(many ? { x: 'layer', xLabel: 'block' } : {}),
    })
  }
  const chance = 1 / names.length
  return {
    title: `Probes for ${names.slice(0, 3).join(', ')}${names.length > 3 ? ' …' : ''}`,
    eyebrow: [model, `${kind} probes`, `${names.length} labels`],
    lead: `At ${best.tap} the label is read right on ${accuracy.estimate.toFixed(2)} [${accuracy.low.toFixed(2)}, ${accuracy.high.toFixed(2)}] of held-out texts; random labels by token on ${control.estimate.toFixed(2)}, chance is ${chance.toFixed(2)}.`,
    facts: [
      ['texts fitted on', train],
      ['held out', heldOut],
      ['taps', readings.length],
    ],
    sections: [
      {
        name: 'Accuracy and control',
        about:
          'Share of held-out texts whose label is read right, near duplicates counted once, with 95 % intervals. The control is the same fit with a random label for each token: what it reaches a probe can remember, without the representation knowing anything of it.',
        content: figureOf('Accuracy', 'held-out texts whose label is read right', {
          accuracy: (one) => one.accuracy,
          control: (one) => one.control,
        }),
      },
      {
        name: 'Selectivity',
        about: 'Accuracy less control, text by text. At 0 the probe says nothing that it could not say of random labels.',
        content: figureOf('Selectivity', 'accuracy less control', { selectivity: (one) => one.selectivity }),
      },
      ...(best.areas
        ? [
            {
              name: 'Neurons',
              about:
                'Area under the ROC on held-out texts: of the chosen neurons, of as many random ones, and of neurons chosen for shuffled labels.',
              content: figureOf('ROC area', 'of the chosen neurons and of controls', {
                chosen: (one) => one.areas!.chosen,
                random: (one) => one.areas!.random,
                'shuffled labels': (one) => one.areas!.shuffled,
              }),
            },
          ]
        : []),
    ],
  }
}
