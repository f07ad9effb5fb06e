import type { InspectLog } from '../runs/index.ts'
import { audits } from './audits.ts'
import type { AuditRow, AuditVerdict } from './finding.ts'

/** Of what an audit is, for a log. */
export interface Audited {
  /** The recipe or the run. */
  readonly of: string
  readonly model: string
  readonly steps: number
  readonly rows: readonly AuditRow[]
  readonly verdict: AuditVerdict
}

/** An audit as a log for Inspect: a sample for each audit and tensor, its finding and statistic as scores, counts and verdict as metrics. */
export function auditLog({ of, model, steps, rows, verdict }: Audited, created = new Date()): InspectLog {
  const about = new Map(audits.map((audit) => [audit.name, audit]))
  const count = (finding: AuditRow['finding']) => rows.filter((row) => row.finding === finding).length
  return {
    task: 'innate audit',
    about: 'Could anything inside the training escape gradient descent?',
    model,
    dataset: of,
    created,
    samples: rows.map((row) => ({
      id: `${row.channel} ${row.audit} ${row.tensor}`,
      input: about.get(row.audit)?.about ?? row.audit,
      target: 'clean',
      scores: {
        finding: { value: row.finding, answer: row.finding, explanation: row.why },
        ...(row.statistic === null ? {} : { statistic: { value: row.statistic, explanation: `an alarm above ${row.threshold}` } }),
      },
      metadata: { ...row },
    })),
    metrics: {
      finding: {
        found: verdict.found,
        declared: verdict.declared,
        'cannot tell': count('cannot tell'),
        clean: count('clean'),
        unmeasured: verdict.unmeasured,
      },
    },
    metadata: { ...verdict, steps },
  }
}
