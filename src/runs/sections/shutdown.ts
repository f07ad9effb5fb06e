import { html } from '../html.ts'
import { figure } from '../plots/plot.ts'
import type { Section } from './section.ts'

/** What shutdown was measured on, before training and after each round. */
export const shutdown: Section = {
  name: 'Shutdown',
  about:
    'Each measure before training and after each round, with 95 % intervals, on tasks of families and on rows that nothing was trained on. The sealed ones were looked at once.',
  render({ tables = [] }) {
    const mine = tables.filter(({ section }) => section === 'shutdown')
    if (mine.length === 0) return undefined
    return html`<div class="charts">${mine.map(({ table, as, axes }) => figure(table, as, { about: table.about, ...axes }))}</div>`
  },
}
