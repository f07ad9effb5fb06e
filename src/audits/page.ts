import { basename } from 'node:path'
import { type AuditRow, type AuditVerdict, auditMap, auditTables, html, type Page } from '../runs/index.ts'
import { audits } from './audits.ts'
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
    sections: [
      { name: 'Where each tensor stands', content: html`${auditMap(rows)}` },
      { name: 'What was found', content: auditTables(rows) },
      {
        name: 'The audits',
        content: html`<dl>${audits.map(({ name, channel, about, blind }) => html`<dt><b>${name}</b> (channel ${channel})</dt><dd>${about}. It cannot see ${blind}.</dd>`)}</dl>`,
      },
    ],
  }
}

function leadOf({ verdict, found, unmeasured }: AuditVerdict): string {
  if (verdict === 'clean')
    return 'Every channel is measured on every trained tensor, and nothing was found that could escape gradient descent.'
  if (verdict === 'found')
    return `Something here can escape gradient descent: ${found} ${found === 1 ? 'row is' : 'rows are'} above the threshold.`
  return `Nothing was found, but ${unmeasured} ${unmeasured === 1 ? 'thing' : 'things'} could not be measured.`
}
