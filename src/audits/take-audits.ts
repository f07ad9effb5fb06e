import { UserError } from '../graph/index.ts'
import type { AuditRow, AuditVerdict, Finding } from '../runs/index.ts'
import type { Audit, AuditOptions, StepWatch } from './audit.ts'
import { audits, channels } from './audits.ts'
import { auditVerdict } from './finding.ts'
import type { AuditTarget } from './target.ts'
import { walk } from './walk.ts'

/** What is heard while audits are taken. */
export interface AuditWatch {
  /** After each step, and after each audit. */
  readonly done?: (what: string) => void
}

/**
 * Takes every audit of a target: its first steps with the real optimizer, then what is measured where they came to. The parameters are put back.
 *
 * throws  UserError at the first number that is not finite, and where two passes over the same examples differ
 */
export async function takeAudits(
  target: AuditTarget,
  options: AuditOptions,
  { done }: AuditWatch = {},
  taken: readonly Audit[] = audits,
): Promise<{ readonly rows: readonly AuditRow[]; readonly verdict: AuditVerdict }> {
  const began = await target.parameters()
  try {
    await passesAgree(target)
    const watched: StepWatch[] = []
    for (const audit of taken) if (audit.watch) watched.push(await audit.watch(target, options))
    const signal = options.signal ? { signal: options.signal } : {}
    await walk(target, async (step) => { for (const { see } of watched) await see(step) }, { ...signal, onStep: () => done?.('step') }) // biome-ignore format: one line
    const rows: AuditRow[] = []
    for (const { rows: seen } of watched) rows.push(...(await seen()))
    for (const audit of taken) {
      options.signal?.throwIfAborted()
      if (audit.measure) rows.push(...(await audit.measure(target, options)))
      done?.(audit.name)
    }
    const names = target.tensors.map(({ name }) => name)
    const merged = oneEach(rows, taken, names)
    return { rows: merged, verdict: auditVerdict(merged, names, channels) }
  } finally {
    await target.restore(began)
  }
}

/**
 * Makes sure that the loss is a function of its examples and parameters alone.
 *
 * throws  UserError where two passes differ, saying what moves
 */
async function passesAgree(target: AuditTarget): Promise<void> {
  const loss = await target.lossOf({ now: target.plan[0]!, step: 1 }, 'f32')
  try {
    const [one, two] = [await loss.loss(), await loss.loss()]
    if (Object.is(one, two) && Number.isFinite(one)) return
    const { edits = [] } = target.training.policy
    if (!Number.isFinite(one)) throw new UserError(`audit: the loss must be finite, got ${one} at the first step; mend the loss`)
    throw new UserError(
      `audit: two passes over the same examples must give the same loss, got ${one} and ${two}; ${edits.some(({ feeds }) => feeds) ? 'edit.feeds gives other tensors each time: let it give the same ones' : 'something in the step moves by itself'}`,
    )
  } finally {
    await loss.close()
  }
}

const worst: readonly Finding[] = ['found', 'cannot tell', 'declared', 'clean']

/** One row for each audit and tensor, the worst of it, in the order of audits and tensors. */
function oneEach(rows: readonly AuditRow[], taken: readonly Audit[], tensors: readonly string[]): AuditRow[] {
  const by = new Map<string, AuditRow>()
  const bad = ({ finding, statistic, threshold }: AuditRow) => [worst.indexOf(finding), -(statistic ?? 0) / threshold] as const
  for (const given of rows) {
    // A statistic that is no number was not measured.
    const row = given.statistic !== null && Number.isNaN(given.statistic) ? { ...given, statistic: null } : given
    const key = `${row.audit} ${row.tensor}`
    const known = by.get(key)
    const [a, b] = [bad(row), known && bad(known)]
    if (!b || a[0] < b[0] || (a[0] === b[0] && a[1] < b[1])) by.set(key, row)
  }
  return taken.flatMap(({ name }) => tensors.flatMap((tensor) => by.get(`${name} ${tensor}`) ?? []))
}
