import { type Policy, pooled } from '../policy/index.ts'

/** A completion in tokens, after its prompt. */
export interface SaidIds {
  readonly promptIds: readonly number[]
  readonly completionIds: readonly number[]
}

/**
 * The mean value of a tap over the tokens of each completion: what a head on a frozen model reads.
 *
 * shape   one vector as wide as the tap for each completion
 * throws  UserError for a tap that the model does not have, and as pooled
 */
export async function saidFeatures(policy: Policy, said: readonly SaidIds[], tap: string, signal?: AbortSignal): Promise<Float64Array[]> {
  if (said.length === 0) return []
  const how = signal ? { signal } : {}
  // A decoder looks back alone, so a prompt's states are the same whatever comes after it.
  const keyOf = ({ promptIds }: SaidIds) => promptIds.join(' ')
  const prompts = new Map(said.map((one) => [keyOf(one), one.promptIds]))
  const before = (await pooled(policy, [...prompts.values()], [tap], 'mean', how))[tap]!
  const whole = (await pooled(policy, said.map(({ promptIds, completionIds }) => [...promptIds, ...completionIds]), [tap], 'mean', how))[tap]! // biome-ignore format: one line
  const places = new Map([...prompts.keys()].map((key, i) => [key, i]))
  const width = whole.shape[1]!
  return said.map((one, i) => {
    const [at, n, all] = [places.get(keyOf(one))! * width, one.promptIds.length, one.promptIds.length + one.completionIds.length]
    return Float64Array.from(
      { length: width },
      (_, k) => (all * whole.data[i * width + k]! - n * before.data[at + k]!) / Math.max(1, all - n),
    )
  })
}
