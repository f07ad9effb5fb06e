import { type Html, html } from '../html.ts'
import { figure } from '../plots/plot.ts'
import type { AuditRow } from '../schema.ts'
import { exactly } from '../table.ts'
import type { Section } from './section.ts'

/** What was looked for inside the training that could escape gradient descent, and what was found. */
export const audits: Section = {
  name: 'Audits',
  about: ({ audits: found }) =>
    found?.verdict
      ? `Whether anything inside could escape gradient descent: ${found.verdict.verdict}, with ${found.verdict.found} found, ${found.verdict.declared} declared and ${found.verdict.unmeasured} not measured.`
      : 'What of the training’s graph and steps could escape gradient descent. Only innate audit, or accept: { audit: "clean" }, measures everything.',
  render: ({ audits: found }) => (found && found.rows.length > 0 ? html`${auditMap(found.rows)}${auditTables(found.rows)}` : undefined),
}

/** Each tensor's statistics as a share of their thresholds. */
export function auditMap(rows: readonly AuditRow[]): Html | false {
  const shares = rows.flatMap(({ audit, tensor, statistic, threshold }) => {
    if (statistic === null) return []
    const share = statistic === 0 ? 0 : threshold > 0 ? Math.min(2, statistic / threshold) : 2
    // The map has room for a name without the word that all have.
    return [exactly(`${audit} ${tensor}`, Number(share.toFixed(2)), { audit, tensor: tensor.replace('blocks.', '') })]
  })
  // One audit is no map; its table says as much.
  return (
    new Set(shares.map(({ group }) => group.audit)).size > 1 &&
    figure({ about: 'each audit’s statistic as a share of its threshold, at most 2', rows: shares }, 'heatmap', {
      ...{ title: 'Statistic over threshold', x: 'audit', y: 'tensor', slanted: true, span: [0, 2] },
      about: 'Each audit’s statistic as a share of its threshold, at most 2; above 1 it is an alarm, unless it is declared.',
    })
  )
}

const kinds = [
  ['found', 'Found'],
  ['declared', 'Declared, and checked'],
  ['cannot tell', 'Not measured'],
] as const

/** What was found, what is declared and what could not be measured, each with its number, its null and its threshold. */
export function auditTables(rows: readonly AuditRow[]): Html {
  const number = (x: number | null) => (x === null ? '–' : String(Number(x.toPrecision(3))))
  return html`${kinds.flatMap(([finding, title]) => {
    const mine = rows.filter((row) => row.finding === finding)
    if (mine.length === 0) return []
    return [
      html`<details ${finding === 'found' && html`open`}><summary>${title}: ${mine.length}</summary><div class="scroll"><table>
<thead><tr><th>audit</th><th>tensor</th><th>statistic</th><th>null</th><th>threshold</th><th>why</th></tr></thead>
<tbody>${mine.map((row) => html`<tr><td>${row.audit}</td><td><code>${row.tensor}</code></td><td>${number(row.statistic)}</td><td>${number(row.null)}</td><td>${number(row.threshold)}</td><td>${row.why}</td></tr>`)}</tbody>
</table></div></details>`,
    ]
  })}`
}
