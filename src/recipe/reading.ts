import type { ReadBy } from '../goals/index.ts'
import type { Shown } from '../runs/index.ts'

/** A model before training and after it, to be read on the same texts. */
export interface BeforeAfter {
  /** The reference. */
  readonly before: ReadBy
  /** What is looked at: the trained policy. */
  readonly after: ReadBy
  readonly signal?: AbortSignal
}

/** Something that is read inside of both models once training is done, for the run's report. */
export interface Reading {
  readonly name: string
  readonly about: string
  readonly read: (models: BeforeAfter) => Promise<readonly Shown[]>
}
