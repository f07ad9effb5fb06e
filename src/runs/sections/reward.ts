import { html } from '../html.ts'
import { figure } from '../plots/plot.ts'
import type { Section } from './section.ts'

/** Whether the probabilities of a reward model are the shares that they say. */
export const reward: Section = {
  name: 'Reward model',
  about: 'A point below the line is a choice that the model is too sure of, one above it a choice that it is too unsure of.',
  render({ tables = [] }) {
    const mine = tables.filter(({ section }) => section === 'reward')
    if (mine.length === 0) return undefined
    return html`<div class="charts">${mine.map(({ table, as, axes }) => figure(table, as, { about: table.about, ...axes }))}</div>`
  },
}
