/** Votes on one pair, with the pair's features in standard deviations (features in goal-scale.ts). */
export interface VotedPair {
  readonly x: readonly number[]
  readonly votes: readonly [forA: number, forB: number]
  /** What is independent of other pairs, usually the prompt: pairs of one cluster share completions or a mood. Each pair its own where absent. */
  readonly cluster?: string
}
