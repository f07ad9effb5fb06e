import { fixed, type Page } from '../runs/index.ts'
import { contrastSection, gapFacts, type SaidContrast } from './contrast-section.ts'
import { effectSections } from './effect-figures.ts'
import type { PatchEffect } from './patch.ts'

/** What a page about causes shows. */
export interface CausePageData extends SaidContrast {
  readonly title: string
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
  return {
    title,
    eyebrow: [model, direction === 'denoise' ? 'clean values into the corrupted run' : 'corrupted values into the clean run'],
    lead: `Most is done by ${where}: ${fixed(most.effect, 2)} of the difference between ${JSON.stringify(answer)} and ${JSON.stringify(wrong)}.`,
    facts: gapFacts(gap),
    sections: [contrastSection(clean, corrupted), ...effectSections(effects, clean, what)],
  }
}
