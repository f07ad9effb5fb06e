import { exactly, figure, html, type Page } from '../runs/index.ts'
import type { Gap } from './contrast.ts'
import type { EdgeEffect } from './edges.ts'
import { effectSections } from './effect-figures.ts'
import type { PatchEffect } from './patch.ts'

/** What a page about causes shows. */
export interface CausePageData {
  readonly title: string
  readonly model: string
  /** Vocabulary pieces of both texts. */
  readonly clean: readonly string[]
  readonly corrupted: readonly string[]
  readonly answer: string
  readonly wrong: string
  readonly gap: Gap
  readonly direction?: 'denoise' | 'noise'
  /** What the numbers are called. */
  readonly what: string
  readonly effects: readonly PatchEffect[]
}

/** A page with a heat map of each site over blocks and tokens. */
export function causePage({
  title,
  model,
  clean,
  corrupted,
  answer,
  wrong,
  gap,
  direction = 'denoise',
  what,
  effects,
}: CausePageData): Page {
  const most = effects.reduce((a, b) => (Math.abs(b.effect) > Math.abs(a.effect) ? b : a))
  const where = `${most.site === 'heads' ? `head ${most.layer}.${most.head}` : `blocks.${most.layer}.${most.site}`} at ${JSON.stringify(clean[most.position])}`
  const marked = (pieces: readonly string[], other: readonly string[]) =>
    pieces.map((piece, i) => (piece === other[i] ? html`<span>${piece} </span>` : html`<b>${piece} </b>`))
  return {
    title,
    eyebrow: [model, direction === 'denoise' ? 'clean values into the corrupted run' : 'corrupted values into the clean run'],
    lead: `Most is done by ${where}: ${most.effect.toFixed(2)} of the difference between ${JSON.stringify(answer)} and ${JSON.stringify(wrong)}.`,
    facts: [
      ['clean, nats', gap.clean.toFixed(2)],
      ['corrupted, nats', gap.corrupted.toFixed(2)],
    ],
    sections: [
      {
        name: 'The two texts',
        about: 'What differs is bold. The metric is the logit of the answer less that of the wrong one, at the last position.',
        content: html`<p>${marked(clean, corrupted)}</p><p>${marked(corrupted, clean)}</p>`,
      },
      ...effectSections(effects, clean, what),
    ],
  }
}

/** A page with a drawing of the strongest edges. */
export function edgePage(
  data: Omit<CausePageData, 'title' | 'what' | 'effects' | 'direction'> & { readonly edges: readonly EdgeEffect[] },
): Page {
  const { model, clean, corrupted, answer, wrong, gap, edges } = data
  const shown = edges.toSorted((a, b) => Math.abs(b.effect) - Math.abs(a.effect)).slice(0, 24)
  const rows = shown.map(({ from, to, effect }) => exactly('effect', effect, { from, to: from === to ? `${to} reads` : to }))
  return {
    title: 'Edges',
    eyebrow: [model, `${edges.length} edges`],
    lead: `The strongest edge is ${shown[0]!.from} to ${shown[0]!.to}: ${shown[0]!.effect.toFixed(2)} of the difference between ${JSON.stringify(answer)} and ${JSON.stringify(wrong)}.`,
    facts: [
      ['clean, nats', gap.clean.toFixed(2)],
      ['corrupted, nats', gap.corrupted.toFixed(2)],
    ],
    sections: [
      { name: 'The two texts', content: html`<p>${clean.join(' ')}</p><p>${corrupted.join(' ')}</p>` },
      {
        name: 'The strongest edges',
        about: 'From what adds to the residual stream to what reads it, over all positions; to first order.',
        content: figure({ about: 'edges by their effect', rows }, 'graph', { title: 'Edges', x: 'from', y: 'to' }),
      },
    ],
  }
}

/** A page with a circuit drawn, and what its strongest edges keep. */
export function circuitPage({
  rows,
  ...data
}: Parameters<typeof edgePage>[0] & { readonly rows: readonly { readonly edges: number; readonly faithfulness: number }[] }): Page {
  const page = edgePage(data)
  const last = rows.at(-1)!
  const body = rows.map(({ edges, faithfulness }) => html`<tr><td>${edges}</td><td>${faithfulness.toFixed(3)}</td></tr>`)
  return {
    ...page,
    title: 'Circuit',
    lead: `The ${last.edges} strongest edges alone keep ${last.faithfulness.toFixed(2)} of the difference between ${JSON.stringify(data.answer)} and ${JSON.stringify(data.wrong)}.`,
    sections: [
      ...page.sections,
      {
        name: 'What the strongest edges keep',
        about: 'The share of m_clean − m_corrupted that is left when every other edge carries corrupted values.',
        content: html`<table><tr><th>edges</th><th>faithfulness</th></tr>${body}</table>`,
      },
    ],
  }
}
