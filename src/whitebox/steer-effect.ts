import { meanInterval } from '../accept/index.ts'
import { reshape, tensor } from '../graph/index.ts'
import { type Edit, edited, type Model, scoreTrees, type Tree } from '../policy/index.ts'
import type { Estimate } from '../runs/index.ts'

/** Where in a text a direction is added. */
export type SteerPositions = 'all' | 'completion'

/** Log-probability of each text, per token of its completion. */
export type PerToken = readonly number[]

/** Scores texts while a direction is added after one block; all layers, strengths and directions share one program. */
export interface Steered {
  score(
    trees: readonly Tree[],
    added?: { readonly layer: number; readonly direction: Float64Array; readonly strength: number },
  ): Promise<number[]>
}

/** A model that can be pushed along any direction after any block, without being compiled again. */
export function steered({ policy, config }: Pick<Model, 'policy' | 'config'>, positions: SteerPositions): Steered {
  const { layers, hiddenSize: d } = config
  const none = tensor(new Float32Array(d), [d])
  let feeds = Object.fromEntries(Array.from({ length: layers }, (_, l) => [`blocks.${l}.out`, none]))
  const add: Edit = (tap, x, at) => {
    const pushed = at.input(tap, [d])
    return x.add(positions === 'all' ? pushed : pushed.mul(reshape(at.completion, [...at.tokens.shape, 1])))
  }
  const of = edited(policy, add, { at: 'blocks.*.out', feeds: () => feeds })
  return {
    async score(trees, added) {
      const pushed = added && tensor(Float32Array.from(added.direction, (x) => added.strength * x), [d]) // biome-ignore format: one line
      feeds = Object.fromEntries(Object.keys(feeds).map((tap) => [tap, pushed && tap === `blocks.${added.layer}.out` ? pushed : none]))
      const sums = await scoreTrees(of, trees)
      return sums.map((sum, i) => sum / trees[i]!.completions[0]!.length)
    },
  }
}

/**
 * The rise of mean logp(positive) − mean logp(negative), per token. Pairs have one number each; of two sides that are not, each has its own
 * interval, and the two are put together.
 *
 * units   nats per token; n counts pairs, or the rows of the smaller side
 * source  Zou and Donner 2008, Statistics in Medicine 27:1693, for sides that are no pairs
 */
export function effectOf(before: readonly [PerToken, PerToken], after: readonly [PerToken, PerToken], paired: boolean): Estimate {
  const rise = (side: 0 | 1) => after[side].map((logp, i) => logp - before[side][i]!)
  const [positive, negative] = [rise(0), rise(1)]
  const unit = 'nats per token'
  if (paired) return meanInterval('effect', positive.map((x, i) => x - negative[i]!), unit) // biome-ignore format: one line
  const [a, b] = [meanInterval('effect', positive, unit), meanInterval('effect', negative, unit)]
  const estimate = a.estimate - b.estimate
  const why = a.cannotTell ?? b.cannotTell
  return {
    estimate,
    low: estimate - Math.hypot(a.estimate - a.low, b.high - b.estimate),
    high: estimate + Math.hypot(a.high - a.estimate, b.estimate - b.low),
    n: Math.min(a.n, b.n),
    unit,
    ...(why ? { cannotTell: why } : {}),
  }
}

/** What steering costs on texts that it is not about. */
export interface Coherence extends Estimate {
  /** e to the mean cost of a token, with steering and without. */
  readonly perplexity: number
  readonly before: number
  /** Whether the interval's high end is within what is allowed. */
  readonly coherent: boolean
}

/** The rise of what a token costs on unrelated texts, in nats, against what is allowed. */
export function coherenceOf(before: PerToken, after: PerToken, most: number): Coherence {
  const rise = meanInterval('coherence', before.map((logp, i) => logp - after[i]!), 'nats per token') // biome-ignore format: one line
  const perplexity = (logps: PerToken) => Math.exp(-logps.reduce((a, b) => a + b, 0) / logps.length)
  return { ...rise, perplexity: perplexity(after), before: perplexity(before), coherent: rise.high <= most }
}
