import { exactly, figure, fixed, html, type Page, type PageSection } from '../runs/index.ts'
import { contrastSection, gapFacts, type SaidContrast } from './contrast-section.ts'
import { effectTable } from './edge-pages.ts'
import { hundredths } from './effect-figures.ts'
import type { PathEffect } from './path.ts'

/** Paths that are listed. */
const listed = 24

/** Senders and receivers in the map. */
const mapped = 16

/** A page with what each sender does directly to each receiver, the strongest first. */
export function pathPage(data: SaidContrast & { readonly direction: 'denoise' | 'noise'; readonly effects: readonly PathEffect[] }): Page {
  const { model, clean, corrupted, answer, wrong, gap, direction, effects } = data
  // What goes far from the end that nothing leads to.
  const still = direction === 'denoise' ? 0 : 1
  const sorted = effects.toSorted((a, b) => Math.abs(b.effect - still) - Math.abs(a.effect - still))
  const [first] = sorted
  return {
    title: 'Path patching',
    eyebrow: [model, direction === 'denoise' ? 'clean values into the corrupted run' : 'corrupted values into the clean run'],
    lead: `From ${first!.from} to ${first!.to}: ${fixed(first!.effect, 2)}, where 0 is the corrupted answer and 1 the clean one; ${JSON.stringify(answer)} against ${JSON.stringify(wrong)}.`,
    facts: gapFacts(gap),
    sections: [
      contrastSection(clean, corrupted),
      ...mapSections(effects, sorted),
      { name: 'The strongest paths', content: effectTable(sorted.slice(0, listed)) },
    ],
  }
}

/** Heads by block where there is one receiver; senders by receivers where there are several. */
function mapSections(effects: readonly PathEffect[], sorted: readonly PathEffect[]): PageSection[] {
  const receivers = [...new Set(effects.map(({ to }) => to))]
  const heads = effects.flatMap(({ from, effect }) => {
    const [, block, head] = /^head (\d+)\.(\d+)$/.exec(from) ?? []
    return block === undefined ? [] : [exactly('effect', hundredths(effect), { block, head: head! })]
  })
  if (receivers.length === 1 && heads.length > 1)
    return [
      {
        name: 'Heads',
        about: `What each head does directly to ${receivers[0]}: blue is towards the clean answer, orange away from it.`,
        content: figure({ about: 'effect of the path', rows: heads.toReversed().toSorted((a, b) => Number(b.group.block) - Number(a.group.block) || Number(a.group.head) - Number(b.group.head)) }, 'heatmap', { title: 'Heads', x: 'head', y: 'block', span: [1] }), // biome-ignore format: one figure
      },
    ]
  if (receivers.length === 1) return []
  const few = (names: readonly string[]) => new Set([...new Set(names)].slice(0, mapped))
  const senders = few(sorted.map(({ from }) => from))
  const shown = few(sorted.map(({ to }) => to))
  const rows = effects
    .filter(({ from, to }) => senders.has(from) && shown.has(to))
    .map(({ from, to, effect }) => exactly('effect', hundredths(effect), { from, to }))
  const drawing = figure({ about: 'effect of the path', rows }, 'heatmap', { title: 'Paths', x: 'to', y: 'from', slanted: true })
  return [
    {
      name: 'Senders and receivers',
      about: `What senders (rows) do directly to receivers (columns): the ${senders.size} and ${shown.size} that do most.`,
      content: html`<div class="scroll" tabindex="0"><div style="min-width: ${Math.max(360, 30 * shown.size)}px">${drawing}</div></div>`,
    },
  ]
}
