import { type Html, html } from '../html.ts'

/** A table of a page: where it is wider than the page it scrolls, by keyboard too, and a shadow shows that there is more; on paper it is whole. */
export function pageTable(label: string, rows: readonly Html[], head?: Html): Html {
  return html`<div class="scroll" role="region" aria-label="${label}" tabindex="0"><table>
${head && html`<thead>${head}</thead>`}<tbody>${rows}</tbody></table></div>`
}
