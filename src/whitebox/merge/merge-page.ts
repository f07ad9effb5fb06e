import { exactly, figure, type MeasureRow, type Page } from '../../runs/index.ts'
import type { MergeLoss } from './merge-losses.ts'
import { type BlockVectors, pairOf, resultName } from './merged-vectors.ts'
import type { Merged } from './run.ts'

/** A page that shows what was merged: how far each model lies from the base, which way, and what all of them lose on texts. */
export function mergePage(
  { method, models, base, layers, parameters, dtype }: Merged,
  { all, blocks }: { readonly all: BlockVectors; readonly blocks: readonly BlockVectors[] },
  losses: readonly MergeLoss[] = [],
): Page {
  const from = base === undefined ? 'the result' : labels(models)(base)
  const names = [...all.norms.keys()]
  const short = labels([...models, resultName])
  const pairs = names.flatMap((a, i) => names.slice(i + 1).map((b) => [a, b] as const))
  const apart = (name: string, { norms, reference }: BlockVectors) => norms.get(name)! / reference
  const inBlocks = blocks.filter(({ layer }) => layer !== undefined)
  const near = pairs.filter((pair) => !pair.includes(resultName)).map(([a, b]) => all.cosines.get(pairOf(a, b))!)
  const share = (x: number) => `${100 * x < 10 ? (100 * x).toPrecision(2) : (100 * x).toFixed(0)} %`
  const cosineRows = names.flatMap((a) =>
    names.map((b) => exactly('cosine', all.cosines.get(pairOf(a, b)) ?? all.cosines.get(pairOf(b, a))!, { a: short(a), b: short(b) })),
  )
  const lossRows = losses.map(({ model, loss }): MeasureRow => ({ name: short(model), group: {}, ...loss }))
  return {
    title: 'Models merged',
    eyebrow: [method, `${models.length} models`],
    lead: [
      `${names.map((name) => `${short(name)} lies ${share(apart(name, all))}`).join(', ')} of the length of ${from} away from it.`,
      near.length > 0
        ? `The cosine between two task vectors is ${near.length > 1 ? `${Math.min(...near).toFixed(2)} to ` : ''}${Math.max(...near).toFixed(2)}.`
        : '',
    ].join(' '),
    facts: [
      ['models', models.join(', ')],
      ['base', base ?? 'none'],
      ['layers', layers],
      ['parameters', parameters.toLocaleString('en-US')],
      ['written as', dtype],
    ],
    sections: [
      {
        name: 'How far, by block',
        about: `The norm of the difference from ${from} over that of ${from}, of all weights of a block together.`,
        content: figure(
          {
            about: 'relative distance',
            rows: inBlocks.flatMap((block) =>
              names.map((name) => exactly(name, apart(name, block), { block: block.layer!, model: short(name) })),
            ),
          },
          'lines',
          { title: `Distance from ${from}`, unit: 'share of its norm', x: 'block', series: 'model', span: [0] },
        ),
      },
      {
        name: 'How far, by part',
        about: 'The same outside of blocks, and of all weights.',
        content: figure(
          {
            about: 'relative distance',
            rows: [...blocks.filter(({ layer }) => layer === undefined), all].flatMap((block) =>
              names.map((name) => exactly('distance', apart(name, block), { part: block.group, model: short(name) })),
            ),
          },
          'heatmap',
          { title: `Distance from ${from}`, unit: 'share of its norm', x: 'model', y: 'part' },
        ),
      },
      {
        name: 'Which way',
        about: `The cosine between the differences from ${from}, over all weights.`,
        content: figure({ about: 'cosine', rows: cosineRows }, 'heatmap', { title: 'Cosine', x: 'a', xLabel: 'model', y: 'b', span: [1] }),
      },
      ...(pairs.length > 0
        ? [
            {
              name: 'Which way, by block',
              about: 'The same within each block.',
              content: figure(
                {
                  about: 'cosine',
                  rows: inBlocks.flatMap((block) =>
                    pairs.map(([a, b]) =>
                      exactly(pairOf(a, b), block.cosines.get(pairOf(a, b))!, { block: block.layer!, pair: `${short(a)}, ${short(b)}` }),
                    ),
                  ),
                },
                'lines',
                { title: 'Cosine', x: 'block', series: 'pair', zero: true },
              ),
            },
          ]
        : []),
      ...(lossRows.length > 0
        ? [
            {
              name: 'What they lose',
              about: `The loss of each model and of the result on ${losses[0]!.loss.n} texts, each in tokens of its own, with 95 % intervals over texts.`,
              content: figure({ about: 'loss', rows: lossRows }, 'intervals', { title: 'Loss', unit: 'nats per token' }),
            },
          ]
        : []),
    ],
  }
}

/** What of a path tells models apart: its last part, or all of it where two have the same. */
function labels(names: readonly string[]): (name: string) => string {
  const last = (name: string) =>
    name
      .replace(/\/model$/, '')
      .split('/')
      .at(-1)!
  return (name) => (names.filter((other) => last(other) === last(name)).length > 1 ? name : last(name))
}
