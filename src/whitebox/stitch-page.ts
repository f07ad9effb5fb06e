import { figure, type MeasureRow, type Page } from '../runs/index.ts'
import type { Stitch, Stitching, StitchMeasured } from './stitch.ts'

/** What a stitch is called in tables: its route, of a trained map its rank. */
export function stitchColumn({ route, capacity }: Pick<Stitch, 'route' | 'capacity'>): string {
  return route === 'trained' ? `rank ${capacity}` : route
}

/** A page that shows what stitching two models costs, by block and route. */
export function stitchPage(a: string, b: string, { stitches, loss, lossOfA, chance, unigram, texts }: Stitching): Page {
  const largest = Math.max(0, ...stitches.filter(({ route }) => route === 'trained').map(({ capacity }) => capacity))
  const trained = stitches.filter(({ route }) => route === 'trained')
  const penalties = (title: string, some: readonly Stitch[], of: (one: Stitch) => StitchMeasured) => {
    const rows = some.map((one): MeasureRow => {
      const { estimate, low, high, n, unit } = of(one).penalty
      return { name: stitchColumn(one), group: { block: one.layer, route: stitchColumn(one) }, estimate, low, high, n, unit }
    })
    const table = { about: 'penalty', rows }
    if (new Set(some.map(({ layer }) => layer)).size === 1) return figure(table, 'intervals', { title, unit: 'nats per token', zero: true })
    return figure(table, 'lines', { title, unit: 'nats per token', x: 'block', series: 'route' })
  }
  const one = stitches.filter(({ route, capacity }) => route !== 'trained' || capacity === largest)
  const best = stitches.reduce((least, next) => (next.penalty.estimate < least.penalty.estimate ? next : least))
  const nearest = stitches.reduce((least, next) => (next.untrained.loss.estimate < least.untrained.loss.estimate ? next : least))
  return {
    title: 'Two models stitched',
    eyebrow: [`${a} below, ${b} above`, `${texts.heldOut} texts held out`],
    lead: `The least penalty is ${best.penalty.estimate.toFixed(3).replace('-', '−')} nats per token, by ${stitchColumn(best)} after block ${best.layer}. With an untrained bottom no route comes below a loss of ${nearest.untrained.loss.estimate.toFixed(2)} (${stitchColumn(nearest)} after block ${nearest.layer}).`,
    facts: [
      [`loss of ${b}, nats per token`, loss.estimate.toFixed(3)],
      [`loss of ${a}`, lossOfA.estimate.toFixed(3)],
      ['of token frequencies', unigram.toFixed(3)],
      ['of chance, ln V', chance.toFixed(3)],
    ],
    sections: [
      {
        name: 'Penalty by block',
        about: `The loss of ${a} up to a block, a map, and ${b} after it, less the loss of ${b}; 95 % intervals over texts. Maps were fitted on ${texts.fitted} other texts.`,
        content: penalties('Penalty', one, (measured) => measured),
      },
      ...(trained.length > 0
        ? [
            {
              name: 'Capacity',
              about: 'The trained map by its rank.',
              content: penalties('Penalty', trained, (measured) => measured),
            },
            {
              name: 'Capacity without what A knows',
              about: 'The same training on a bottom of fresh weights. A map that learned the task by itself would do as well here.',
              content: penalties('Penalty', trained, ({ untrained }) => untrained),
            },
          ]
        : []),
      {
        name: 'An untrained bottom',
        about: 'Every route fitted anew to a bottom of fresh weights in the place of A.',
        content: penalties('Penalty', one, ({ untrained }) => untrained),
      },
    ],
  }
}
