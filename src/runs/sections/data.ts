import { html } from '../html.ts'
import type { DataFile } from '../schema.ts'
import type { Section } from './section.ts'
import { pageTable } from './table.ts'

/** Which rows came in, which were used, which were set aside and why. */
export const data: Section = {
  name: 'Data',
  about: 'Which rows came in, which were used, and which were set aside.',
  render({ manifest: { data } }) {
    if (data.length === 0) return undefined
    return pageTable(
      'Files of data',
      data.map((file) => {
        const reasons = Object.entries(file.quarantined)
        const aside = reasons.length === 0 ? 'none' : reasons.map(([why, n]) => `${n} ${why}`).join(', ')
        return html`<tr><td>${file.path}</td><td>${file.role}</td><td class="n">${file.rows}</td><td class="n">${file.used}</td><td>${aside}${near(file)}</td></tr>`
      }),
      html`<tr><th>file</th><th>used as</th><th class="n">rows</th><th class="n">used</th><th>set aside</th></tr>`,
    )
  },
}

function near({ nearDuplicates }: DataFile): string {
  if (!nearDuplicates || nearDuplicates.groups === 0) return ''
  return `; ${nearDuplicates.prompts} near duplicates in ${nearDuplicates.groups} groups, each kept in one part`
}
