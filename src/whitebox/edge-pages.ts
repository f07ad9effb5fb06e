import { exactly, figure, fixed, type Html, html, type Page, type PageSection } from '../runs/index.ts'
import type { CircuitPoint } from './circuit-curve.ts'
import { contrastSection, gapFacts, type SaidContrast } from './contrast-section.ts'
import type { EdgeEffect } from './edges.ts'

/** What a page about edges shows. */
export interface EdgePageData extends SaidContrast {
  readonly edges: readonly EdgeEffect[]
}

/** Edges that are drawn, and those that are listed. */
const [drawnEdges, listedEdges] = [24, 24]

/** A page with a drawing of the strongest edges. */
export function edgePage(data: EdgePageData): Page {
  const { model, answer, wrong, gap, edges } = data
  const [first] = strongest(edges, 1)
  return {
    title: 'Edges',
    eyebrow: [model, `${edges.length} edges`],
    lead: `The strongest edge is ${first!.from} to ${first!.to}: ${fixed(first!.effect, 2)} of the difference between ${JSON.stringify(answer)} and ${JSON.stringify(wrong)}, as attribution estimates it.`,
    facts: gapFacts(gap),
    sections: [contrastSection(data.clean, data.corrupted), ...edgeSections(edges)],
  }
}

/** A page with a circuit drawn, and what its strongest edges keep beside random ones. */
export function circuitPage({
  points,
  of,
  ...data
}: EdgePageData & { readonly points: readonly CircuitPoint[]; readonly of: number }): Page {
  const { model, answer, wrong, gap, edges } = data
  const last = points.at(-1)!
  const beside = last.random ? `; as many random ones keep ${fixed(last.random.low, 2)} to ${fixed(last.random.high, 2)}` : ''
  return {
    title: 'Circuit',
    eyebrow: [model, `${last.edges} of ${of} edges`],
    lead: `The ${last.edges} strongest edges alone keep ${fixed(last.faithfulness, 2)} of the difference between ${JSON.stringify(answer)} and ${JSON.stringify(wrong)}${beside}.`,
    facts: gapFacts(gap),
    sections: [
      contrastSection(data.clean, data.corrupted),
      {
        name: 'What the strongest edges keep',
        about:
          'Faithfulness: the share of the difference between the two texts that is left when every other edge carries corrupted values. Beside it the mean of 39 random sets of as many edges, the least and the largest of them: one set more lies between these with a chance of 95 %.',
        content: curveTable(points),
      },
      ...edgeSections(edges),
    ],
  }
}

function curveTable(points: readonly CircuitPoint[]): Html {
  const rows = points.map(
    ({ edges, faithfulness, random }) =>
      html`<tr><th scope="row" class="n">${edges}</th><td class="n">${fixed(faithfulness, 3)}</td><td class="n">${besideRandom(random)}</td></tr>`,
  )
  return html`<div class="scroll" tabindex="0"><table><thead><tr><th scope="col" class="n">edges</th><th scope="col" class="n">faithfulness</th><th scope="col" class="n">random edges</th></tr></thead><tbody>${rows}</tbody></table></div>`
}

/** The mean of random sets, and where one more would lie with a chance of 95 %. */
export function besideRandom(random: CircuitPoint['random']): string {
  return random ? `${fixed(random.estimate, 3)} [${fixed(random.low, 3)}, ${fixed(random.high, 3)}]` : 'all edges'
}

function edgeSections(edges: readonly EdgeEffect[]): PageSection[] {
  const drawn = strongest(edges, drawnEdges)
  const rows = drawn.map(({ from, to, effect }) => exactly('effect', effect, { from, to: from === to ? `${to} reads` : to }))
  const drawing = figure({ about: 'edges by their effect', rows }, 'graph', { title: 'Edges', x: 'from', y: 'to' })
  return [
    {
      name: 'The strongest edges',
      about: `The ${drawn.length} strongest, from what adds to the residual stream to what reads it, over all positions, as attribution estimates them: thick is strong, blue is for the answer, orange against it. “attn 3” is what the heads of block 3 read.`,
      content: html`<div class="scroll" tabindex="0"><div style="min-width: 560px">${drawing}</div></div>`,
    },
    { name: 'Their effects', content: effectTable(strongest(edges, listedEdges)) },
  ]
}

/** Edges or paths with their effects, as a table. */
export function effectTable(edges: readonly EdgeEffect[]): Html {
  return html`<table><thead><tr><th scope="col">from</th><th scope="col">to</th><th scope="col" class="n">effect</th></tr></thead>
<tbody>${edges.map(({ from, to, effect }) => html`<tr><td>${from}</td><td>${to}</td><td class="n">${fixed(effect, 3)}</td></tr>`)}</tbody></table>`
}

function strongest(edges: readonly EdgeEffect[], count: number): EdgeEffect[] {
  return edges.toSorted((a, b) => Math.abs(b.effect) - Math.abs(a.effect)).slice(0, count)
}
