import type { DataStream } from '../audits/index.ts'
import type { Example } from '../objectives/index.ts'
import type { ContributionRow, DataFile, Evaluation, Run } from '../runs/index.ts'
import type { Work } from './estimate.ts'
import type { PairsHeldOut } from './pairs-held-out.ts'
import type { Watch } from './watch.ts'

/** What the rounds of align do, whatever they learn from. */
export interface Loop {
  readonly data: readonly DataFile[]
  /** Texts that the model before and after is read inside on. */
  readonly inside: readonly (readonly number[])[]
  /** What one round and all of them will take; measures the machine for a moment. */
  needs(): Promise<Parameters<NonNullable<Watch['needs']>>[0]>
  /** Keeps what is in which part. */
  keepParts(run: Run): Promise<void>
  /** Puts the policy back to how it was at the end of a round. */
  restore(run: Run, round: number): Promise<void>
  /** Trains a round and keeps its model. */
  train(run: Run, round: number): Promise<ContributionRow | undefined>
  look(run: Run, round: number, which: Evaluation['look'], contribution?: ContributionRow): Promise<Evaluation>
  /** Ends what it holds open, such as a reward. */
  close?(): Promise<void>
}

/** What a round trains on, in groups that are trained on one after the other. */
export interface Supply {
  readonly data: DataFile
  /** How many examples each group of a round has. */
  counts(): Promise<readonly number[]>
  /** Where its examples come from, for audits. */
  readonly stream: DataStream
  readonly inside: readonly (readonly number[])[]
  /** One group, counting from 1; a later one may come of the policy as the one before made it. What an earlier process kept is read. */
  group(run: Run, round: number, group: number): Promise<readonly Example[]>
  /** What training one round takes. */
  work(): Promise<Work>
  readonly contribution?: () => ContributionRow | undefined
  /** What is looked at of the file that is trained on. */
  readonly heldOut?: PairsHeldOut
}
