import { exactly, figure, type Html, html, type PageSection } from '../runs/index.ts'
import type { PatchEffect, PatchSite } from './patch.ts'

const siteNames: Readonly<Record<PatchSite, string>> = {
  out: 'Residual stream after each block',
  'attn.out': 'What attention adds',
  'mlp.out': 'What the MLP adds',
  heads: 'Heads',
}

/** A heat map for each site: blocks over tokens, and of heads blocks over heads at the position where each does most. */
export function effectSections(effects: readonly PatchEffect[], pieces: readonly string[], what: string): PageSection[] {
  const sites = [...new Set(effects.map(({ site }) => site))]
  return sites.map((site) => {
    const here = effects.filter((effect) => effect.site === site)
    return {
      name: siteNames[site],
      about:
        site === 'heads'
          ? `The ${what} of each head, at the position where it does most.`
          : `The ${what} at every block (rows, the last one on top) and token (columns).`,
      content: site === 'heads' ? headMap(here, what) : tokenMap(here, pieces, what, siteNames[site]),
    }
  })
}

function tokenMap(effects: readonly PatchEffect[], pieces: readonly string[], what: string, title: string): Html {
  const rows = effects
    .toSorted((a, b) => b.layer - a.layer || a.position - b.position)
    .map(({ layer, position, effect }) =>
      exactly('effect', hundredths(effect), { token: `${position} ${pieces[position]}`, block: String(layer) }),
    )
  return wide(figure({ about: what, rows }, 'heatmap', { title, x: 'token', y: 'block', span: [1], slanted: true }), pieces.length)
}

function headMap(effects: readonly PatchEffect[], what: string): Html {
  const strongest = new Map<string, PatchEffect>()
  for (const one of effects) {
    const key = `${one.layer}.${one.head}`
    const known = strongest.get(key)
    if (!known || Math.abs(one.effect) > Math.abs(known.effect)) strongest.set(key, one)
  }
  const rows = [...strongest.values()]
    .toSorted((a, b) => b.layer - a.layer || a.head! - b.head!)
    .map(({ layer, head, effect }) => exactly('effect', hundredths(effect), { head: String(head), block: String(layer) }))
  return figure({ about: what, rows }, 'heatmap', { title: siteNames.heads, x: 'head', y: 'block', span: [1] })
}

/** A drawing with many columns keeps its size and is scrolled. */
function wide(drawing: Html, columns: number): Html {
  return columns <= 24 ? drawing : html`<div class="scroll" tabindex="0"><div style="min-width: ${22 * columns}px">${drawing}</div></div>`
}

/** What a cell of a map says: no more digits than a person compares. */
export function hundredths(x: number): number {
  return Math.round(100 * x) / 100
}
