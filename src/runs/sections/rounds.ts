import { html } from '../html.ts'
import { together } from '../numbers.ts'
import { measureName } from './measure-names.ts'
import type { Section } from './section.ts'
import { pageTable } from './table.ts'

/** One column a look and one row a measure, so that one sees what the rounds did. */
export const rounds: Section = {
  name: 'Round by round',
  about: ({ manifest }) =>
    `${manifest.judge ? 'Every round starts from the original model.' : 'Every round goes on where the one before ended.'} Rounds are compared on a development slice; the sealed prompts are looked at once, at the end.`,
  render({ evaluations, verdict }) {
    if (evaluations.length === 0) return undefined
    const names = [...new Set(evaluations.flatMap((e) => Object.keys(e.measures)))]
    const chosen = evaluations.map((e) => (e.look === verdict?.look && e.round === verdict.round ? 'n chosen' : 'n'))
    const cells = (cell: (e: (typeof evaluations)[number]) => ReturnType<typeof html> | string) =>
      evaluations.map((e, i) => html`<td class="${chosen[i]!}">${cell(e)}</td>`)
    return pageTable(
      'Measures of every look',
      [
        html`<tr><th scope="row">prompts</th>${cells((e) => `${e.prompts}`)}</tr>`,
        ...names.map(
          (name) =>
            html`<tr><th scope="row">${measureName(name)}</th>${cells(({ measures: { [name]: m } }) => (m ? html`${together(m).estimate} <small>${together(m).interval}</small>` : '–'))}</tr>`,
        ),
        html`<tr><th scope="row">criteria met</th>${cells((e) => `${e.criteria.filter((c) => c.met).length} of ${e.criteria.length}`)}</tr>`,
      ],
      html`<tr><th>look</th>${evaluations.map((e, i) => html`<th scope="col" class="${chosen[i]!}">round ${e.round}${e.look === 'sealed' && ', sealed'}</th>`)}</tr>`,
    )
  },
}
