import { html } from '../html.ts'
import { withInterval } from '../numbers.ts'
import { figure } from '../plots/plot.ts'
import type { Section } from './section.ts'

/** What changed inside the model: drift by tap and block, and what a recipe's readings say of it before and after. */
export const inside: Section = {
  name: 'Inside',
  about: 'The trained model beside the reference on the same texts, read inside of both.',
  render({ tables = [] }) {
    const mine = tables.filter(({ section }) => section === 'inside')
    if (mine.length === 0) return undefined
    return html`<div class="charts">${mine.map(({ table, as, axes }) => figure(table, as, { about: table.about, ...axes }))}</div>
${mine
  .map(
    ({ table, as, axes }) =>
      as === 'heatmap' &&
      html`<details><summary>${axes.title}: the largest</summary><ul>${[...table.rows]
        .sort((a, b) => Math.abs(b.estimate) - Math.abs(a.estimate))
        .slice(0, 5)
        .map((row) => html`<li><code>${row.name}</code> ${withInterval(row)}</li>`)}</ul></details>`,
  )
  .filter((part) => part !== false)}`
  },
}
