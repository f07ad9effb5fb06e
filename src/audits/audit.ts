import type { AuditRow } from '../runs/index.ts'
import type { AuditTarget } from './target.ts'
import type { StepSeen } from './walk.ts'

/** How an audit is taken. */
export interface AuditOptions {
  readonly seed: number
  readonly signal?: AbortSignal
}

/** What sees the steps of a training as they are taken. */
export interface StepWatch {
  see(step: StepSeen): void | Promise<void>
  /** What came of all steps that were seen. */
  rows(): readonly AuditRow[] | Promise<readonly AuditRow[]>
}

/** A test of one way by which something inside a model could escape gradient descent; a file of its own holds everything about it. */
export interface Audit {
  readonly name: string
  readonly channel: AuditRow['channel']
  /** What it finds, in a sentence. */
  readonly about: string
  /** What it cannot see. */
  readonly blind: string
  readonly source: string
  /** What it reads: the graph of a step, losses of moved parameters, the steps as they are taken, single examples, the data stream. */
  readonly needs: readonly ('graph' | 'losses' | 'steps' | 'examples' | 'stream')[]
  /** Sees each of the first steps with the real optimizer and clip. */
  readonly watch?: (target: AuditTarget, options: AuditOptions) => StepWatch | Promise<StepWatch>
  /** Measures where the parameters are after those steps; a row for each trained tensor. */
  readonly measure?: (target: AuditTarget, options: AuditOptions) => Promise<readonly AuditRow[]>
}

/** The row of an audit for a tensor. */
export function rowOf({ channel, name }: Pick<Audit, 'channel' | 'name'>, row: Omit<AuditRow, 'channel' | 'audit'>): AuditRow {
  const { tensor, ...rest } = row
  return { channel, audit: name, tensor, ...rest }
}
