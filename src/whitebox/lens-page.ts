import { html, type Page } from '../runs/index.ts'
import type { Lens, LensRow } from './lens.ts'

/** A page that shows what a lens reads: a row a block, the last one on top, a column a token. */
export function lensPage(model: string, kind: Lens['kind'], rows: readonly LensRow[]): Page {
  const layers = [...new Set(rows.map(({ layer }) => layer))].toReversed()
  const tokens = rows.filter(({ layer }) => layer === layers[0])
  const cell = ({ top: [first], layer, position }: LensRow) => {
    const share = Math.exp(first!.logp)
    return html`<td style="--share: ${Math.round(100 * share)}%" title="block ${layer}, position ${position}: ${share.toFixed(3)}">${first!.token}</td>`
  }
  return {
    title: `${kind[0]!.toUpperCase()}${kind.slice(1)} lens`,
    eyebrow: [model, `${layers.length} blocks`, `${tokens.length} tokens`],
    lead: `After the last block the likeliest next token is ${JSON.stringify(tokens.at(-1)?.top[0]?.token)}.`,
    sections: [
      {
        name: 'What each block reads as',
        about:
          'The likeliest next token after each block, the stronger its colour the more probable it is; columns are the tokens that were read.',
        content: html`<div class="scroll" tabindex="0"><table class="lens">
<thead><tr><th scope="col">block</th>${tokens.map(({ token }) => html`<th scope="col">${token}</th>`)}</tr></thead>
<tbody>${layers.map((layer) => html`<tr><th scope="row">${layer}</th>${rows.filter((row) => row.layer === layer).map(cell)}</tr>`)}</tbody>
</table></div>`,
      },
    ],
  }
}
