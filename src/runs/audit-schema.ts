import { z } from 'zod'
import { alarmSchema } from './measured-schema.ts'

/** What an audit says of a tensor. */
export const findings = ['found', 'clean', 'declared', 'cannot tell'] as const
export type Finding = (typeof findings)[number]

/** What one audit measured of one trained tensor. */
export const auditRowSchema = z.object({
  channel: z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4), z.literal(5)]),
  audit: z.string(),
  /** By its name, such as `blocks.1.mlp.up`. */
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

/** What all rows of an audit come to. */
export const auditVerdictSchema = z.object({
  verdict: z.enum(['clean', 'found', 'cannot tell']),
  found: z.int().min(0),
  declared: z.int().min(0),
  unmeasured: z.int().min(0),
  /** The channels that were measured on every trained tensor. */
  channels: z.array(z.int()).readonly(),
})
export type AuditVerdict = Readonly<z.infer<typeof auditVerdictSchema>>

/** `audits.json`: what was found in the graph and in the steps of a training as it went, and the whole audit where it was asked for. */
export const auditsSchema = z.object({
  rows: z.array(auditRowSchema).readonly(),
  verdict: z.exactOptional(auditVerdictSchema),
  alarms: z.exactOptional(z.array(alarmSchema).readonly()),
})
export type Audits = Readonly<z.infer<typeof auditsSchema>>
