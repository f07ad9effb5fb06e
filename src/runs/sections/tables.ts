import { html } from '../html.ts'
import { figure } from '../plots/plot.ts'
import type { Section } from './section.ts'

/** Tables that somebody else put into the run folder, each drawn as it asks. */
export const tables: Section = {
  name: 'More measurements',
  about: 'Put into the run’s folder by those who measured.',
  render: ({ tables: all = [] }) => {
    const mine = all.filter(({ section }) => section === undefined)
    return mine.length > 0
      ? html`<div class="charts">${mine.map(({ table, as, axes }) => figure(table, as, { about: table.about, ...axes }))}</div>`
      : undefined
  },
}
