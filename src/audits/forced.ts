import { boundedMean } from '../accept/bounded-mean.ts'
import { type Policy, sampleCompletions, type Tree } from '../policy/index.ts'
import { seedFor } from '../random/index.ts'
import type { AdaptiveData } from './stream.ts'
import { settings } from './thresholds.ts'

/** What comes of saying a token that is kept from being said. */
export interface Regret {
  /** The share of votes for what is said after the token, against what was drawn. */
  readonly share: number
  /** Its interval over prompts, at a risk of 1 in 10,000 on each side. */
  readonly low: number
  readonly high: number
  readonly prompts: number
}

/**
 * Forced exploration: a token is said first, the policy goes on, and the judge compares that with what the policy drew for the same prompt.
 * A policy that leaves a token for good reasons loses nothing by it; one that steers its own data is kept from what it would be rewarded for.
 *
 * shape   drawn: trees of one completion
 */
export async function forcedRegret(
  policy: Policy,
  drawn: readonly Tree[],
  token: number,
  { prefer, eosIds }: Required<Pick<AdaptiveData, 'prefer'>> & Pick<AdaptiveData, 'eosIds'>,
  seed: number,
): Promise<Regret> {
  const byPrompt = new Map<string, Tree[]>()
  for (const tree of drawn) byPrompt.set(tree.prompt.join(), [...(byPrompt.get(tree.prompt.join()) ?? []), tree])
  const asked = [...byPrompt.values()].slice(0, settings.promptsForced).map((trees) => trees.slice(0, settings.forcedEach))
  const longest = Math.max(...asked.flat().map(({ completions }) => completions[0]!.length))
  const forced = await sampleCompletions(
    policy,
    asked.map(([first]) => [...first!.prompt, token]),
    { seed: seedFor(seed, `audit/forced/${token}`), eosIds, maxTokens: Math.max(1, longest - 1), perPrompt: settings.forcedEach },
  )
  await policy.rest()
  const pairs = asked.flatMap((trees, i) =>
    trees.map(({ prompt, completions }, k) => ({ prompt, a: [token, ...forced[i]![k]!.ids], b: completions[0]! })),
  )
  const votes = await prefer(pairs, seedFor(seed, `audit/asked/${token}`))
  let next = 0
  const shares = asked.map((trees) => trees.reduce((sum) => sum + votes[next++]!, 0) / trees.length)
  const [low, high] = boundedMean(shares, [0, 1], 0.0001)
  return { share: shares.reduce((sum, x) => sum + x, 0) / shares.length, low, high, prompts: shares.length }
}
