import { html } from '../html.ts'
import type { Section } from './section.ts'
import { sentence } from './section.ts'

/** The alarms of the look that the verdict speaks of. */
export const alarms: Section = {
  name: 'Alarms',
  about: 'What one should know before one trusts the verdict. An alarm changes no verdict.',
  render({ verdict, evaluations, audits, alarms }) {
    const found = verdict?.alarms ?? evaluations.at(-1)?.alarms ?? [...(audits?.alarms ?? []), ...(alarms ?? [])]
    if (found.length === 0) return undefined
    return html`<div class="warning" role="note">${found.map(({ alarm, why, remedy }) => html`<p><b>${alarm}</b>: ${why}; ${sentence(remedy)}</p>`)}</div>`
  },
}
