/** A group of completions of one prompt in numbers; log-probabilities in nats, summed over a completion's tokens. */
export interface RewardedGroup {
  readonly rewards: readonly number[]
  /** Under the model that sampled them, where that was kept. */
  readonly sampled?: readonly number[]
  readonly reference: readonly number[]
  /** How many are the policy's own; those after them are the reference's. All unless told. */
  readonly own?: number
  /** The same of each token, where they are known; and what the critic expects from it on. */
  readonly tokens?: {
    readonly lengths: readonly number[]
    readonly sampled?: readonly (readonly number[])[]
    readonly reference?: readonly (readonly number[])[]
    readonly values?: readonly (readonly number[])[]
  }
}

/** Rewards less their group's mean. */
export function centred({ rewards }: Pick<RewardedGroup, 'rewards'>): number[] {
  const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length
  return rewards.map((reward) => reward - mean)
}

/** The same over the group's standard deviation (of a sample, n − 1) plus 1e-4. */
export function standardised(group: Pick<RewardedGroup, 'rewards'>): number[] {
  const sd = deviation(group.rewards) ?? 0
  return centred(group).map((x) => x / (sd + 1e-4))
}

/** Standard deviation of a sample, n − 1; none of fewer than two numbers. */
export function deviation(numbers: readonly number[]): number | undefined {
  if (numbers.length < 2) return undefined
  const mean = numbers.reduce((a, b) => a + b, 0) / numbers.length
  return Math.sqrt(numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (numbers.length - 1))
}
