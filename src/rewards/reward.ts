import type { PromptRow } from '../preferences/index.ts'

/** Scores completions; what a policy is trained on in place of votes. */
export interface Reward {
  readonly name: string
  /** One score a row, higher is better; `sd` is the reward's own doubt where it knows it. */
  score(rows: readonly RewardRow[], signal?: AbortSignal): Promise<readonly Scored[]>
  close(): Promise<void>
}

/** A completion of a prompt, in text; and in tokens, where the reader knows those of the model that wrote it. */
export interface RewardRow {
  readonly prompt: PromptRow
  readonly completion: string
  readonly promptIds?: readonly number[]
  readonly completionIds?: readonly number[]
}

/** What a reward gives to a completion. `sd` is one standard deviation, in the units of `value`. */
export interface Scored {
  readonly value: number
  readonly sd?: number
}
