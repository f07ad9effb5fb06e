import { UserError } from '../graph/index.ts'
import type { Policy } from '../policy/index.ts'
import { type HeadPosterior, headPosterior, varianceAt, winChance } from './head-posterior.ts'
import type { Reward } from './reward.ts'
import { saidFeatures } from './said-features.ts'

/** Two completions that were compared, by their features, and the share of the votes for the first. */
export interface ComparedFeatures {
  readonly a: Float64Array
  readonly b: Float64Array
  readonly share: number
}

/** A head that was learned on features of a frozen model, each taken in deviations from its mean. */
export interface FrozenHead {
  readonly posterior: HeadPosterior
  score(features: Float64Array): { readonly value: number; readonly sd: number }
  /** The probability that the first of two wins, the doubt averaged over. */
  chance(a: Float64Array, b: Float64Array): number
}

/**
 * The head that votes make likeliest, with its posterior by Laplace; its prior's width is where the evidence is largest. It is a closed problem with one
 * solution: the same votes give the same head.
 *
 * units   log-odds
 * source  V-LAPLACE-1, headPosterior
 */
export function learnHead(compared: readonly ComparedFeatures[]): FrozenHead {
  const width = compared[0]!.a.length
  const all = compared.flatMap(({ a, b }) => [a, b])
  const mean = Float64Array.from({ length: width }, (_, k) => all.reduce((sum, x) => sum + x[k]!, 0) / all.length)
  const spread = mean.map((m, k) => Math.sqrt(all.reduce((sum, x) => sum + (x[k]! - m) ** 2, 0) / all.length) || 1)
  const scaled = (x: Float64Array) => x.map((value, k) => (value - mean[k]!) / spread[k]!)
  const between = (a: Float64Array, b: Float64Array) => a.map((value, k) => (value - b[k]!) / spread[k]!)
  const posterior = headPosterior(compared.map(({ a, b, share }) => ({ x: between(a, b), q: share })))
  const worth = (x: Float64Array) => x.reduce((sum, value, k) => sum + value * posterior.mean[k]!, 0)
  return {
    posterior,
    score(features) {
      const x = scaled(features)
      return { value: worth(x), sd: Math.sqrt(varianceAt(posterior, x)) }
    },
    chance(a, b) {
      const x = between(a, b)
      return winChance(worth(x), varianceAt(posterior, x))
    },
  }
}

/** A learned head on a frozen model as a reward; each score with its doubt, of which `penalty` deviations are taken off. */
export function frozenReward(
  name: string,
  policy: Policy,
  head: FrozenHead,
  { tap, penalty }: { readonly tap: string; readonly penalty: number },
): Reward {
  return {
    name,
    async score(rows, signal) {
      const said = rows.map(({ promptIds, completionIds }, i) => {
        if (promptIds && completionIds) return { promptIds, completionIds }
        throw new UserError(`reward ${name}: row ${i} must come with the ids of prompt and completion, got text alone; give both`)
      })
      return (await saidFeatures(policy, said, tap, signal)).map((features) => {
        const { value, sd } = head.score(features)
        return { value: value - penalty * sd, sd }
      })
    },
    close: async () => {},
  }
}
