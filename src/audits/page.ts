import { basename } from 'node:path'
import { figure, type Html, html, type MeasureRow, type Page } from '../runs/index.ts'
import { audits } from './audits.ts'
import type { AuditRow, AuditVerdict, Finding } from './finding.ts'
import type { AuditTarget } from './target.ts'

/** A page that shows what every audit measured of every tensor. */
export function auditPage(of: string, target: AuditTarget, rows: readonly AuditRow[], verdict: AuditVerdict): Page {
  const { tensors, plan, precision } = target
  return {
    title: 'Audit',
    eyebrow: [basename(of), `${plan.length} steps`, `${tensors.length} trained tensors`],
    lead: leadOf(verdict),
    facts: [
      ['found', verdict.found],
      ['declared', verdict.declared],
      ['not measured', verdict.unmeasured],
      ['differences in', precision],
    ],
    sections: auditSections(rows),
  }
}

function leadOf({ verdict, found, unmeasured }: AuditVerdict): string {
  if (verdict === 'clean')
    return 'Every channel is measured on every trained tensor, and nothing was found that could escape gradient descent.'
  if (verdict === 'found')
    return `Something here can escape gradient descent: ${found} ${found === 1 ? 'row is' : 'rows are'} above the threshold.`
  return `Nothing was found, but ${unmeasured} ${unmeasured === 1 ? 'thing' : 'things'} could not be measured.`
}

/** The sections of a page or a report that show rows of audits: where each tensor stands, what was found, what is declared, and the audits. */
export function auditSections(rows: readonly AuditRow[]): Page['sections'] {
  const of = (finding: Finding) => rows.filter((row) => row.finding === finding)
  return [
    {
      name: 'Where each tensor stands',
      about: 'Each audit’s statistic as a share of its threshold, at most 2; above 1 it is an alarm, unless it is declared.',
      content: map(rows),
    },
    ...(of('found').length > 0 ? [{ name: 'Found', content: table(of('found')) }] : []),
    ...(of('declared').length > 0
      ? [
          {
            name: 'Declared',
            about: 'An audit would find it; the recipe says why it is there, and that was checked.',
            content: table(of('declared')),
          },
        ]
      : []),
    ...(of('cannot tell').length > 0 ? [{ name: 'Not measured', content: table(of('cannot tell')) }] : []),
    {
      name: 'The audits',
      content: html`<dl>${audits.map(({ name, channel, about, blind }) => html`<dt><b>${name}</b> (channel ${channel})</dt><dd>${about}. It cannot see ${blind}.</dd>`)}</dl>`,
    },
  ]
}

function map(rows: readonly AuditRow[]): Html {
  const shares = rows.flatMap(({ audit, tensor, statistic, threshold }): MeasureRow[] => {
    if (statistic === null) return []
    const estimate = Math.min(2, statistic / threshold)
    return [{ name: `${audit} ${tensor}`, group: { audit, tensor }, estimate, low: estimate, high: estimate, n: 1, unit: '' }]
  })
  if (shares.length === 0) return html`<p>Nothing was measured.</p>`
  return figure({ about: 'statistic over threshold', rows: shares }, 'heatmap', {
    title: 'Statistic over threshold',
    unit: '',
    x: 'audit',
    y: 'tensor',
  })
}

function table(rows: readonly AuditRow[]): Html {
  const number = (x: number | null) => (x === null ? '–' : String(Number(x.toPrecision(3))))
  return html`<div class="scroll"><table>
<thead><tr><th>audit</th><th>tensor</th><th>statistic</th><th>null</th><th>threshold</th><th>why</th></tr></thead>
<tbody>${rows.map((row) => html`<tr><td>${row.audit}</td><td><code>${row.tensor}</code></td><td>${number(row.statistic)}</td><td>${number(row.null)}</td><td>${number(row.threshold)}</td><td>${row.why}</td></tr>`)}</tbody>
</table></div>`
}
