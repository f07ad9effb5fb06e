import { html, type Page } from '../runs/index.ts'
import type { Gap } from './contrast.ts'
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
