import { expect, it } from 'vitest'
import { type AuditRow, renderPage } from '../runs/index.ts'
import { auditVerdict } from './index.ts'
import { type Audited, auditPage } from './page.ts'

const rowOf = (tensor: string, finding: AuditRow['finding'], statistic: number, audit = 'shielded'): AuditRow => ({
  ...{ channel: 1, audit, tensor, finding, statistic },
  ...{ null: 0, threshold: 0.5, why: 'as planted' },
})
const audited = (of: string, rows: readonly AuditRow[]): Audited => ({
  of,
  target: { tensors: [], plan: [], precision: 'f64' },
  rows,
  verdict: auditVerdict(rows, ['up', 'down'], [1]),
})
const clean = audited('runs/clean.ts', [rowOf('up', 'clean', 0), rowOf('down', 'clean', 0), rowOf('up', 'clean', 0, 'forged')])
const planted = audited('runs/planted.ts', [rowOf('up', 'found', 1), rowOf('down', 'clean', 0), rowOf('up', 'clean', 0, 'forged')])
const linesOf = (page: string) => page.match(/<tr><td>.*?<\/tr>/gs) ?? []

it('two audits stand beside each other, and only what differs is listed as that', () => {
  const page = renderPage(auditPage(planted, clean))
  expect(page).toContain('planted.ts: found')
  expect(page).toContain(`clean.ts: ${clean.verdict.verdict}`)
  const differ = page.slice(page.indexOf('id="where-they-differ-name"'), page.indexOf('id="what-was-found-name"'))
  expect(linesOf(differ)).toEqual(['<tr><td>shielded</td><td><code>up</code></td><td>0.5</td><td>found, 1</td><td>clean, 0</td></tr>'])
  expect(page.match(/<figure/g)).toHaveLength(2)
})

it('one audit has nothing beside it', () => {
  const page = renderPage(auditPage(planted))
  expect(page).not.toContain('Where they differ')
  expect(page.match(/<figure/g)).toHaveLength(1)
})
