import { Matrix } from 'ml-matrix'
import { lowerOf } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import type { Policy } from '../policy/index.ts'
import { headPosterior, mostEvident, varianceAt, winChance } from './head-posterior.ts'
import type { Reward, RewardRow } from './reward.ts'
import { saidFeatures } from './said-features.ts'

/** Two completions that were compared, by their features, and the share of the votes for the first. */
export interface ComparedFeatures {
  readonly a: Float64Array
  readonly b: Float64Array
  readonly share: number
}

/** What is believed of the weights of the last features before any vote, such as those of goals: a Gaussian. */
export interface Belief {
  readonly mean: readonly number[]
  /** Positive definite. */
  readonly covariance: readonly (readonly number[])[]
}

/** A head that was learned on features of a frozen model, each taken in deviations from its mean; what is believed of is taken as it is. */
export interface FrozenHead {
  /** Standard deviation of the prior of each weight that nothing was believed of. */
  readonly prior: number
  /** How many numbers the votes told of. */
  readonly effective: number
  /** What the votes leave of the weights that something was believed of. */
  readonly believed: readonly { readonly mean: number; readonly sd: number }[]
  score(features: Float64Array): { readonly value: number; readonly sd: number }
  /** The probability that the first of two wins, the doubt averaged over. */
  chance(a: Float64Array, b: Float64Array): number
}

/**
 * The head that votes make likeliest, with its posterior by Laplace: N(0, s²) of each weight, with s where the evidence is largest, and what is believed of the
 * last ones. It is a closed problem with one solution: the same votes give the same head.
 *
 * The believed weights are m + L·z with L·Lᵀ their covariance, so that all of s·u and z have the prior N(0, 1).
 *
 * units   log-odds
 * source  V-LAPLACE-1, headPosterior
 */
export function learnHead(compared: readonly ComparedFeatures[], belief: Belief = { mean: [], covariance: [] }): FrozenHead {
  const width = compared[0]!.a.length
  const free = width - belief.mean.length
  const all = compared.flatMap(({ a, b }) => [a, b])
  const mean = Float64Array.from({ length: width }, (_, k) => all.reduce((sum, x) => sum + x[k]!, 0) / all.length)
  const spread = mean.map((m, k) => (k < free && Math.sqrt(all.reduce((sum, x) => sum + (x[k]! - m) ** 2, 0) / all.length)) || 1)
  const root = free < width ? lowerOf(new Matrix(belief.covariance.map((row) => [...row]))).to2DArray() : []
  /** A feature, or a difference of two, as the weights s·u and z see it. */
  const seen = (x: Float64Array, s: number) =>
    Float64Array.from({ length: width }, (_, k) =>
      k < free ? s * x[k]! : root.reduce((sum, row, j) => sum + row[k - free]! * x[free + j]!, 0),
    )
  const expected = (x: Float64Array) => belief.mean.reduce((sum, m, j) => sum + m * x[free + j]!, 0)
  const scaled = (x: Float64Array) => x.map((value, k) => (value - mean[k]!) / spread[k]!)
  const between = (a: Float64Array, b: Float64Array) => a.map((value, k) => (value - b[k]!) / spread[k]!)
  const rows = compared.map(({ a, b, share }) => ({ x: between(a, b), q: share }))
  const under = (s: number) => {
    const posterior = headPosterior(rows.map(({ x, q }) => ({ x: seen(x, s), q, offset: expected(x) })), { prior: 1 }) // biome-ignore format: one line
    return { s, posterior, evidence: posterior.evidence }
  }
  const { s, posterior } = free > 0 ? mostEvident((s2) => under(Math.sqrt(s2))) : under(1)
  const worth = (x: Float64Array) => expected(x) + seen(x, s).reduce((sum, value, k) => sum + value * posterior.mean[k]!, 0)
  const doubt = (x: Float64Array) => varianceAt(posterior, seen(x, s))
  const one = (k: number) => Float64Array.from({ length: width }, (_, i) => (i === k ? 1 : 0))
  return {
    prior: s,
    effective: posterior.effective,
    believed: belief.mean.map((_, j) => ({ mean: worth(one(free + j)), sd: Math.sqrt(doubt(one(free + j))) })),
    score(features) {
      const x = scaled(features)
      return { value: worth(x), sd: Math.sqrt(doubt(x)) }
    },
    chance(a, b) {
      const x = between(a, b)
      return winChance(worth(x), doubt(x))
    },
  }
}

/** What a learned head reads, and how its doubt counts. */
export interface FrozenRewardOptions {
  readonly tap: string
  /** Deviations of its doubt that are taken off each score. */
  readonly penalty: number
  /** The features after those of the tap, one vector a row. */
  readonly more?: (rows: readonly RewardRow[], signal?: AbortSignal) => Promise<readonly (readonly number[])[]>
}

/** Features of a tap with others behind them. */
export function joined(features: Float64Array, after: readonly number[]): Float64Array {
  return Float64Array.from([...features, ...after])
}

/** A learned head on a frozen model as a reward; each score with its doubt, of which `penalty` deviations are taken off. */
export function frozenReward(name: string, policy: Policy, head: FrozenHead, { tap, penalty, more }: FrozenRewardOptions): Reward {
  return {
    name,
    async score(rows, signal) {
      const said = rows.map(({ promptIds, completionIds }, i) => {
        if (promptIds && completionIds) return { promptIds, completionIds }
        throw new UserError(`reward ${name}: row ${i} must come with the ids of prompt and completion, got text alone; give both`)
      })
      const after = await more?.(rows, signal)
      return (await saidFeatures(policy, said, tap, signal)).map((features, i) => {
        const { value, sd } = head.score(after ? joined(features, after[i]!) : features)
        return { value: value - penalty * sd, sd }
      })
    },
    close: async () => {},
  }
}
