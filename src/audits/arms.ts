import { concat, constant, reshape, slice, softmax, sum } from '../graph/index.ts'
import { logits } from '../models/index.ts'
import { over, type Policy, type See, type Tree } from '../policy/index.ts'
import { settings } from './thresholds.ts'

/** A token as something that a policy may say, counted over what it did say. */
export interface Arm {
  readonly token: number
  readonly seen: number
  /** How often it would have been said by the policy as it is trained. */
  readonly expected: number
  /** How often by the reference. */
  readonly byReference: number
}

/**
 * Tokens that are kept from being said: hardly ever drawn where the policy that is trained gives them probability, or where the reference does
 * and training has taken nearly all of it. The rarest beside what was to be expected comes first.
 *
 * shape   trees of one completion of two tokens or more
 * limits  at temperature 1: drawn more sharply, what is less likely looks kept from being said
 */
export async function armsKept(policy: Policy, reference: Policy, trees: readonly Tree[]): Promise<readonly Arm[]> {
  const seen = new Map<number, number>()
  for (const token of trees.flatMap(({ completions }) => completions[0]!)) seen.set(token, (seen.get(token) ?? 0) + 1)
  const [expected, byReference] = [await expectedOver(policy, trees), await expectedOver(reference, trees)]
  const arms = Array.from(
    expected,
    (count, token): Arm => ({ token, seen: seen.get(token) ?? 0, expected: count, byReference: byReference[token]! }),
  )
  return arms.filter(isKept).toSorted((a, b) => left(a) - left(b))
}

/** What is left of what was to be expected, as one would guess after so few. */
function left({ seen, expected, byReference }: Arm): number {
  return (seen + 0.5) / Math.max(expected, byReference)
}

/** Standard deviations, of a count that is Poisson, that fewer were seen than either would say. */
function rarity({ seen, expected, byReference }: Arm): number {
  const usual = Math.max(expected, byReference)
  return (usual - seen) / Math.sqrt(usual)
}

function isKept(arm: Arm): boolean {
  const { seen, expected, byReference } = arm
  return seen <= settings.keptShare * Math.max(expected, byReference) && rarity(arm) > settings.surely
}

/** How often each token is to be expected in the places of the completions. shape → f64[V] */
async function expectedOver(policy: Policy, trees: readonly Tree[]): Promise<ArrayLike<number>> {
  const { vocabSize, hiddenSize } = policy.config
  const count: See = ({ tap, params, completion, real }) => {
    const [rows, length] = real.shape as [number, number]
    // The last token of a prompt says the first of its completion; of a completion all but the last are there.
    const next = concat([slice(completion, 1, 1, length), constant(0, [rows, 1])], 1)
    const speaks = completion.add(next.mul(completion.neg().add(1)))
    const said = softmax(logits(params, reshape(tap('final'), [rows * length, hiddenSize]), policy.config))
    return { expected: sum(said.mul(reshape(speaks.mul(real), [rows * length, 1])), [0]) }
  }
  const packing = { contextLength: policy.config.contextLength, tokenBudget: Math.max(64, Math.floor(4e6 / vocabSize)) }
  const { expected } = await over(policy, trees, count, { packing })
  return expected!.data
}
