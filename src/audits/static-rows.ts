import type { AuditRow } from '../runs/index.ts'
import { planOf } from '../train/backward.ts'
import { microBatches } from '../train/micro-batch.ts'
import { traceStep } from '../train/step.ts'
import { declaredOf } from './declaration.ts'
import { type Mark, scan } from './scan.ts'
import type { AuditTarget } from './target.ts'

/** The audit that a place in the graph is a matter of. */
const auditOf = (op: string) => (op === 'withGradient' ? 'forged' : op === 'straightThrough' ? 'surrogate' : 'shielded')

/** What the graph of a training's step says without running it: a row for each tensor and audit that a mark lies before. */
export function staticRows({ stepping, plan, tensors, declarations }: AuditTarget): AuditRow[] {
  const [now] = plan
  if (!now) return []
  const [micro] = microBatches(stepping.objective, now, stepping.packing)
  const { loss, graph } = traceStep(planOf(stepping, now, micro!))
  const scanned = scan(loss, Object.fromEntries(tensors.map(({ name, input }) => [name, graph.inputs[input]!])))
  return tensors.flatMap(({ name }) => {
    const { marks, reached } = scanned.get(name)!
    const by = new Map<string, Mark[]>()
    for (const mark of marks) by.set(auditOf(mark.op), [...(by.get(auditOf(mark.op)) ?? []), mark])
    const [declared] = declaredOf(declarations, name, 1)
    return [...by].map(([audit, mine]): AuditRow => {
      const places = [...new Set(mine.map(({ op, where }) => `${op} ${where}`))].slice(0, 2).join(', ')
      const why = `${places} ${reached ? 'is on a way' : 'blocks every way'} from it to the loss`
      return {
        ...{ channel: 1, audit, tensor: name, statistic: mine.length, null: 0, threshold: 0 },
        ...(declared ? { finding: 'declared', why: `${why}; declared ${declared.as}: ${declared.reason}` } : { finding: 'found', why }),
      }
    })
  })
}
