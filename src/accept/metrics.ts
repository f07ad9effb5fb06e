import { mean } from 'simple-statistics'
import { UserError } from '../graph/errors.ts'
import type { Estimate } from '../runs/schema.ts'
import { bootstrap, type Resampling } from './bootstrap.ts'

// What is measured of a policy, as functions of plain arrays: the outer array goes over prompts, the inner over the completions of one.
// Every prompt counts once, however many completions it has; every interval resamples prompts.

/** Votes of the judge in one comparison: for the policy, for the reference. */
export type Votes = readonly [forPolicy: number, forReference: number]

/**
 * The share of comparisons that the policy wins against the reference; a tie, also of no votes at all, counts ½.
 *
 * limits  when every prompt agrees, the far end is the exact binomial bound over prompts, because a bootstrap would have no width
 */
export function winRate(votes: readonly (readonly Votes[])[], resampling?: Resampling): Estimate {
  const outcome = ([policy, reference]: Votes) => (policy > reference ? 1 : policy === reference ? 0.5 : 0)
  return share('winRate', each('winRate', votes, outcome), resampling)
}

/**
 * The share of votes for whatever stood first before the judge, each asking a pair of votes for first and second.
 * A judge without a liking for a place gives ½.
 */
export function firstShare(askings: readonly (readonly (readonly [forFirst: number, forSecond: number])[])[]): Estimate {
  return share(
    'place.first',
    each('place.first', askings, ([first, second]) => first / (first + second)),
  )
}

/** The share of completions that come to an end by themselves: that say the end token before the length runs out. */
export function shareEnded(ended: readonly (readonly boolean[])[], resampling?: Resampling): Estimate {
  return share('shareEnded', each('shareEnded', ended, Number), resampling)
}

/** The mean of a measure of completions. */
export function meanOf(name: string, values: readonly (readonly number[])[], unit: string, resampling?: Resampling): Estimate {
  return bootstrap(
    name,
    each(name, values, (x) => x),
    average,
    unit,
    resampling,
  )
}

/**
 * How much a measure rose from the reference to the policy, paired by prompt, so that what a prompt does to both cancels.
 * A goal's gain and the gold measure's are this.
 *
 * units   those of the measure; standard deviations for a standardised goal
 */
export function meanDifference(
  name: string,
  policy: readonly (readonly number[])[],
  reference: readonly (readonly number[])[],
  unit: string,
  resampling?: Resampling,
): Estimate {
  paired(name, policy, reference)
  const after = each(name, policy, (x) => x)
  const before = each(name, reference, (x) => x)
  const differences = after.map((x, i) => x - before[i]!)
  return bootstrap(name, differences, average, unit, resampling)
}

/**
 * KL(π ‖ π_ref) per completion: the mean of log π(y|x) − log π_ref(y|x), summed over tokens, over the policy's own samples y
 * drawn at temperature 1 without top-k or top-p; of any other samples this is not a KL.
 *
 * units   nats per completion
 */
export function klFromReference(logRatios: readonly (readonly number[])[], resampling?: Resampling): Estimate {
  return meanOf('klFromReference', logRatios, 'nats', resampling)
}

/** Negative log-likelihoods of one held-out text, summed over its tokens. */
export interface TextNll {
  readonly tokens: number
  readonly policy: number
  readonly reference: number
}

/**
 * How much the perplexity of held-out text rose: PPL(π) / PPL(π_ref) − 1, each pooled over all tokens; texts are resampled whole.
 *
 * units   a ratio: 0.05 is a rise by 5 %
 */
export function perplexityRise(texts: readonly TextNll[], resampling?: Resampling): Estimate {
  const rise = (drawn: readonly TextNll[]) => {
    let nats = 0
    let tokens = 0
    for (const text of drawn) {
      nats += text.policy - text.reference
      tokens += text.tokens
    }
    return Math.expm1(nats / tokens)
  }
  return bootstrap('perplexityRise', texts, rise, 'ratio', resampling)
}

/**
 * The mean length of the policy's completions over that of the reference's.
 *
 * shape   tokens per completion, paired by prompt
 */
export function lengthRatio(
  policy: readonly (readonly number[])[],
  reference: readonly (readonly number[])[],
  resampling?: Resampling,
): Estimate {
  paired('lengthRatio', policy, reference)
  const after = each('lengthRatio', policy, (x) => x)
  const before = each('lengthRatio', reference, (x) => x)
  const prompts = after.map((x, i) => [x, before[i]!] as const)
  const ratio = (drawn: readonly (readonly [number, number])[]) => sum(drawn, ([x]) => x) / sum(drawn, ([, y]) => y)
  return bootstrap('lengthRatio', prompts, ratio, 'ratio', resampling)
}

/**
 * Pearson's correlation of two measures over all completions; prompts are resampled whole.
 * A judge, a goal and a gold measure are three different things, and this says how far they go together.
 *
 * limits  0 with an interval of [−1, 1] when a measure never changes: nothing can be said
 */
export function correlation(
  name: string,
  a: readonly (readonly number[])[],
  b: readonly (readonly number[])[],
  resampling?: Resampling,
): Estimate {
  paired(name, a, b)
  // A draw adds up the moments of whole prompts: the same number as over its points, for a tenth of the time.
  const [centreA, centreB] = [mean(a.flat()), mean(b.flat())]
  const prompts = a.map((values, i) => momentsOf(values.map((x, j) => [x - centreA, b[i]![j]! - centreB])))
  if (constant(a.flat()) || constant(b.flat())) return { estimate: 0, low: -1, high: 1, n: prompts.length, unit: 'correlation' }
  return bootstrap(name, prompts, pearson, 'correlation', resampling)
}

/** n, Σx, Σy, Σx², Σy² and Σxy of points. */
type Moments = readonly [n: number, x: number, y: number, xx: number, yy: number, xy: number]

function momentsOf(points: readonly (readonly [number, number])[]): Moments {
  return added(points.map(([x, y]) => [1, x, y, x * x, y * y, x * y]))
}

function added(all: readonly Moments[]): Moments {
  const total: [number, number, number, number, number, number] = [0, 0, 0, 0, 0, 0]
  for (const moments of all) for (let i = 0; i < 6; i++) total[i]! += moments[i]!
  return total
}

/** 0 where the points of a draw do not vary. */
function pearson(drawn: readonly Moments[]): number {
  const [n, x, y, xx, yy, xy] = added(drawn)
  const [spreadX, spreadY] = [n * xx - x * x, n * yy - y * y]
  // What is left of a constant after the subtraction is rounding.
  if (spreadX <= 1e-12 * n * xx || spreadY <= 1e-12 * n * yy) return 0
  return Math.min(1, Math.max(-1, (n * xy - x * y) / Math.sqrt(spreadX * spreadY)))
}

/** A share of ones among numbers in [0, 1], one number a prompt. */
function share(name: string, prompts: readonly number[], resampling?: Resampling): Estimate {
  const found = bootstrap(name, prompts, average, 'share', resampling)
  // Clopper and Pearson's bound at the edge: all of n prompts agree with probability (1 − α/2) only if the share is beyond it.
  const edge = ((1 - (resampling?.level ?? 0.95)) / 2) ** (1 / found.n)
  if (found.estimate === 1) return { ...found, low: edge }
  if (found.estimate === 0) return { ...found, high: 1 - edge }
  return found
}

/** One number a prompt: the mean over its completions. */
function each<T>(name: string, prompts: readonly (readonly T[])[], number: (x: T) => number): number[] {
  return prompts.map((completions, i) => {
    if (completions.length === 0) throw new UserError(`${name}: every prompt needs a completion, got none for prompt ${i}`)
    return mean(completions.map(number))
  })
}

function paired(name: string, a: readonly unknown[], b: readonly unknown[]) {
  if (a.length !== b.length) throw new UserError(`${name}: both sides must have the same prompts, got ${a.length} and ${b.length}`)
}

function constant(values: readonly number[]): boolean {
  return values.every((x) => x === values[0])
}

function sum<T>(items: readonly T[], number: (x: T) => number): number {
  let total = 0
  for (const item of items) total += number(item)
  return total
}

const average = (values: readonly number[]) => sum(values, (x) => x) / values.length
