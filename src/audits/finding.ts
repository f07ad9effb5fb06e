import type { AuditRow, AuditVerdict, Finding } from '../runs/index.ts'

export type { AuditRow, AuditVerdict, Finding }

/**
 * Puts rows together: clean is only what was measured in every channel on every tensor.
 *
 * limits  a channel without a row of a tensor counts as one thing unmeasured there
 */
export function auditVerdict(
  rows: readonly AuditRow[],
  tensors: readonly string[],
  channels: readonly AuditRow['channel'][],
): AuditVerdict {
  const count = (finding: Finding) => rows.filter((row) => row.finding === finding).length
  const measured = (channel: number, tensor: string) => {
    const mine = rows.filter((row) => row.channel === channel && row.tensor === tensor)
    return mine.length > 0 && mine.every(({ finding }) => finding !== 'cannot tell')
  }
  const missing = channels.flatMap((channel) =>
    tensors.filter((tensor) => !rows.some((row) => row.channel === channel && row.tensor === tensor)),
  ).length
  const [found, unmeasured] = [count('found'), count('cannot tell') + missing]
  return {
    verdict: found > 0 ? 'found' : unmeasured > 0 ? 'cannot tell' : 'clean',
    found,
    declared: count('declared'),
    unmeasured,
    channels: channels.filter((channel) => tensors.every((tensor) => measured(channel, tensor))),
  }
}
