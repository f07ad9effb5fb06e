import { figure, type MeasureRow, type Page } from '../runs/index.ts'
import type { LayerChange, LayerSweep } from './layer-sweep.ts'

/** A page that shows what is left of a model's predictions when its blocks stand in another order. */
export function layerSweepPage(model: string, { loss, changes }: LayerSweep): Page {
  const single = changes.filter(({ kind }) => kind !== 'reverse')
  const reversed = changes.filter(({ kind }) => kind === 'reverse')
  const row = (what: 'top1' | 'loss', { kind, layers, ...measured }: LayerChange, name: string): MeasureRow => {
    const { estimate, low, high, n, unit } = measured[what]
    return { name, group: { block: layers[0]!, kind }, estimate, low, high, n, unit }
  }
  const axes = (title: string, unit: string) => ({ title, unit, x: 'block', series: 'kind' })
  return {
    title: 'Blocks in another order',
    eyebrow: [model, `${loss.n} texts`],
    lead: `${sentence('Where two neighbours change places', 'swap')}; ${sentence('where one is left out', 'delete')}; where a block loses the residual stream that it is added to, ${range('no residual')}.`,
    facts: [['loss as it is, nats per token', loss.estimate.toFixed(3)]],
    sections: [
      {
        name: 'What is kept',
        about:
          'The share of next tokens whose likeliest prediction stays, with 95 % intervals over texts. A swap stands at the first of its two blocks. The control, no residual, takes away the stream that a block is added to.',
        content: figure(
          { about: 'likeliest token kept', rows: single.map((one) => row('top1', one, one.kind)) },
          'lines',
          axes('Likeliest token kept', 'share'),
        ),
      },
      {
        name: 'What it costs',
        about: 'The loss on the same texts.',
        content: figure({ about: 'loss', rows: single.map((one) => row('loss', one, one.kind)) }, 'lines', axes('Loss', 'nats per token')),
      },
      ...(reversed.length > 0
        ? [
            {
              name: 'Reversed',
              about: 'Blocks run backwards.',
              content: figure(
                {
                  about: 'likeliest token kept',
                  rows: reversed.map((one) => row('top1', one, `blocks ${one.layers[0]} to ${one.layers.at(-1)}`)),
                },
                'intervals',
                { title: 'Likeliest token kept', unit: 'share', zero: true },
              ),
            },
          ]
        : []),
    ],
  }

  function sentence(words: string, kind: LayerChange['kind']): string {
    return `${words}, ${range(kind)}`
  }

  function range(kind: LayerChange['kind']): string {
    const shares = changes.filter((change) => change.kind === kind).map(({ top1 }) => top1.estimate)
    if (shares.length === 0) return 'nothing was measured'
    const [least, most] = [Math.min(...shares), Math.max(...shares)].map((share) => `${(100 * share).toFixed(0)} %`)
    return `${least} to ${most} of the likeliest tokens stay`
  }
}
