import { exactly, figure, html, type Page } from '../runs/index.ts'
import type { DirectAttribution, DirectPart } from './direct.ts'

/** What a page about direct attribution shows. */
export interface DirectPageData extends DirectAttribution {
  readonly model: string
  /** The vocabulary's pieces of the text. */
  readonly pieces: readonly string[]
  readonly answer: string
  readonly wrong: string
}

/** The name of a part in words: `head 3.1`, `mlp 2`, `embed`. */
export function partName({ part, layer, head }: DirectPart): string {
  return [part, [layer, head].filter((n) => n !== undefined).join('.')].filter((word) => word !== '').join(' ')
}

/** A page that shows what each part adds to a logit difference: heads by block, and each block's attention and MLP. */
export function directPage({ model, pieces, answer, wrong, difference, parts }: DirectPageData): Page {
  const sorted = parts.toSorted((a, b) => Math.abs(b.logit) - Math.abs(a.logit))
  const heads = parts.filter(({ part }) => part === 'head')
  const layers = [...new Set(heads.map(({ layer }) => layer!))]
  const about = 'nats that each adds to the logit difference'
  const sums = layers.flatMap((block) => {
    const here = parts.filter(({ layer }) => layer === block)
    const add = (name: string, some: readonly DirectPart[]) =>
      exactly(
        name,
        some.reduce((total, { logit }) => total + logit, 0),
        { block },
      )
    return [
      add(
        'attention',
        here.filter(({ part }) => part !== 'mlp'),
      ),
      add(
        'MLP',
        here.filter(({ part }) => part === 'mlp'),
      ),
    ]
  })
  const cells = heads
    .toSorted((a, b) => b.layer! - a.layer! || a.head! - b.head!)
    .map(({ layer, head, logit }) => exactly('logit', Math.round(100 * logit) / 100, { head: String(head), block: String(layer) }))
  return {
    title: 'Direct logit attribution',
    eyebrow: [model, `${JSON.stringify(answer)} against ${JSON.stringify(wrong)}`, `${parts.length} parts`],
    lead: `After ${JSON.stringify(pieces.at(-1))} the logit of ${JSON.stringify(answer)} is ${difference.toFixed(2)} above that of ${JSON.stringify(wrong)}; ${partName(sorted[0]!)} adds most, ${sorted[0]!.logit.toFixed(2)}.`,
    facts: [
      ['difference, nats', difference.toFixed(3)],
      ['sum of the parts', parts.reduce((total, { logit }) => total + logit, 0).toFixed(3)],
    ],
    sections: [
      { name: 'The text', content: html`<p>${pieces.join(' ')}</p>` },
      {
        name: 'Heads',
        about: 'What each head adds by itself, blue for the answer and orange against it; what it does through later parts is not here.',
        content: figure({ about, rows: cells }, 'heatmap', { title: 'Heads', unit: 'nats', x: 'head', y: 'block' }),
      },
      {
        name: 'Blocks',
        about: 'All of attention and the MLP, block by block.',
        content: figure({ about, rows: sums }, 'lines', {
          title: 'Attention and MLP',
          unit: 'nats',
          x: 'block',
          series: 'name',
          zero: true,
        }),
      },
      {
        name: 'The largest parts',
        content: html`<table><thead><tr><th scope="col">part</th><th scope="col" class="n">adds, nats</th></tr></thead>
<tbody>${sorted.slice(0, 20).map((part) => html`<tr><th scope="row">${partName(part)}</th><td class="n">${part.logit.toFixed(3)}</td></tr>`)}</tbody></table>`,
      },
    ],
  }
}
