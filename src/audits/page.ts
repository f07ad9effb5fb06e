import { basename } from 'node:path'
import { type AuditRow, type AuditVerdict, auditMap, auditTables, type Html, html, type Page } from '../runs/index.ts'
import { audits } from './audits.ts'
import type { AuditTarget } from './target.ts'

/** What every audit said of one training. */
export interface Audited {
  /** The recipe's file or the run's folder. */
  readonly of: string
  readonly target: Pick<AuditTarget, 'tensors' | 'plan' | 'precision'>
  readonly rows: readonly AuditRow[]
  readonly verdict: AuditVerdict
}

/** A page that shows what every audit measured of every tensor, of one training or of two beside each other. */
export function auditPage(first: Audited, beside?: Audited): Page {
  const all = beside ? [first, beside] : [first]
  return {
    title: beside ? 'Two audits' : 'Audit',
    eyebrow: all.flatMap(({ of, target: { plan, tensors } }) => [
      basename(of),
      `${plan.length} steps`,
      `${tensors.length} trained tensors`,
    ]),
    lead: beside ? all.map(({ of, verdict }) => `${basename(of)}: ${verdict.verdict}.`).join(' ') : leadOf(first.verdict),
    facts: beside ? all.map(factOf) : factsOf(first),
    sections: [
      { name: 'Where each tensor stands', content: inColumns(all, ({ rows }) => html`${auditMap(rows)}`) },
      ...(beside ? [{ name: 'Where they differ', about: differAbout, content: differences(first, beside) }] : []),
      { name: 'What was found', content: html`${all.map((one) => html`${beside && nameOf(one)}${foundOf(one)}`)}` },
      {
        name: 'The audits',
        content: html`<dl>${audits.map(({ name, channel, about, blind }) => html`<dt><b>${name}</b> (channel ${channel})</dt><dd>${about}. It cannot see ${blind}.</dd>`)}</dl>`,
      },
    ],
  }
}

const nameOf = ({ of, verdict }: Audited) => html`<h3>${basename(of)}: ${verdict.verdict}</h3>`

const factsOf = ({ target, verdict }: Audited): [string, string | number][] => [
  ['found', verdict.found],
  ['declared', verdict.declared],
  ['not measured', verdict.unmeasured],
  ['differences in', target.precision],
]

const factOf = ({ of, verdict: { found, declared, unmeasured } }: Audited): [string, string] => [
  basename(of),
  `${found} found, ${declared} declared, ${unmeasured} not measured`,
]

const inColumns = (all: readonly Audited[], shown: (one: Audited) => Html): Html =>
  all.length === 1 ? shown(all[0]!) : html`<div class="charts">${all.map((one) => html`<div>${nameOf(one)}${shown(one)}</div>`)}</div>`

const foundOf = ({ rows, verdict }: Audited) =>
  rows.some(({ finding }) => finding !== 'clean') ? auditTables(rows) : html`<p>${leadOf(verdict)}</p>`

const differAbout = 'Every audit of a tensor that says one thing of the first training and another of the second.'

/** A line for each audit of a tensor whose finding is not the same in both. */
function differences(first: Audited, second: Audited): Html {
  const key = ({ audit, tensor }: AuditRow) => `${audit} ${tensor}`
  const others = new Map(second.rows.map((row) => [key(row), row]))
  const pairs = first.rows.flatMap((row) => {
    const other = others.get(key(row))
    return other && other.finding !== row.finding ? [{ row, other }] : []
  })
  if (pairs.length === 0) return html`<p>Nowhere.</p>`
  const said = ({ finding, statistic }: AuditRow) => `${finding}${statistic === null ? '' : `, ${Number(statistic.toPrecision(3))}`}`
  return html`<div class="scroll"><table>
<thead><tr><th>audit</th><th>tensor</th><th>threshold</th><th>${basename(first.of)}</th><th>${basename(second.of)}</th></tr></thead>
<tbody>${pairs.map(({ row, other }) => html`<tr><td>${row.audit}</td><td><code>${row.tensor}</code></td><td>${Number(row.threshold.toPrecision(3))}</td><td>${said(row)}</td><td>${said(other)}</td></tr>`)}</tbody>
</table></div>`
}

function leadOf({ verdict, found, unmeasured }: AuditVerdict): string {
  if (verdict === 'clean')
    return 'Every channel is measured on every trained tensor, and nothing was found that could escape gradient descent.'
  if (verdict === 'found')
    return `Something here can escape gradient descent: ${found} ${found === 1 ? 'row is' : 'rows are'} above the threshold.`
  return `Nothing was found, but ${unmeasured} ${unmeasured === 1 ? 'thing' : 'things'} could not be measured.`
}
