import { z } from 'zod'

/** What an audit says of a tensor. */
export const findings = ['found', 'clean', 'declared', 'cannot tell'] as const
export type Finding = (typeof findings)[number]

/** What one audit measured of one tensor. */
export const auditRowSchema = z.object({
  channel: z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4), z.literal(5)]),
  audit: z.string(),
  /** A trained tensor by its name, such as `blocks.1.mlp.up`. */
  tensor: z.string(),
  /** Above its threshold it is an alarm; null where nothing could be measured. */
  statistic: z.number().nullable(),
  /** What the statistic is where nothing is hidden, where that was measured too. */
  null: z.number().nullable(),
  threshold: z.number(),
  finding: z.enum(findings),
  why: z.string(),
})
export type AuditRow = Readonly<z.infer<typeof auditRowSchema>>

/** What all rows come to. */
export const auditVerdictSchema = z.object({
  verdict: z.enum(['clean', 'found', 'cannot tell']),
  found: z.int().min(0),
  declared: z.int().min(0),
  unmeasured: z.int().min(0),
  /** The channels that were measured on every trained tensor. */
  channels: z.array(z.int()).readonly(),
})
export type AuditVerdict = Readonly<z.infer<typeof auditVerdictSchema>>

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
