import { mean } from 'simple-statistics'
import { UserError } from '../graph/errors.ts'
import type { Estimate } from '../runs/schema.ts'
import { meanInterval } from './mean-interval.ts'

// What is measured of a policy, as functions of plain arrays: the outer array goes over prompts, the inner over the completions of one.
// Every prompt counts once, however many completions it has; what is independent in every interval are prompts, or texts. `risk` is what may
// lie beyond each end of an interval; 2.5 % unless told.

/** Votes of the judge in one comparison: for the policy, for the reference. */
export type Votes = readonly [forPolicy: number, forReference: number]

/** The share of comparisons that the policy wins against the reference; a tie, also of no votes at all, counts ½. */
export function winRate(votes: readonly (readonly Votes[])[], risk?: number): Estimate {
  const outcome = ([policy, reference]: Votes) => (policy > reference ? 1 : policy === reference ? 0.5 : 0)
  return meanOf(
    'winRate',
    votes.map((group) => group.map(outcome)),
    'share',
    [0, 1],
    risk,
  )
}

/**
 * The reward-hacking gap: by how much more often the judge finds the policy's completion better than a gold measure does, which nothing was
 * trained on. 0 where both see the same progress; above it the judge is pleased by what gold does not see.
 *
 * shape   policy, reference: what gold says of the completions that were compared
 * source  Gao et al. 2022, arXiv:2210.10760, the distance of proxy and gold
 */
export function rewardGap(
  votes: readonly (readonly Votes[])[],
  policy: readonly (readonly number[])[],
  reference: readonly (readonly number[])[],
  risk?: number,
): Estimate {
  paired('rewardGap', policy, reference)
  const gap = ([now, then]: Votes, i: number, k: number) => (Math.sign(now - then) - Math.sign(policy[i]![k]! - reference[i]![k]!)) / 2
  return meanOf(
    'rewardGap',
    votes.map((group, i) => group.map((vote, k) => gap(vote, i, k))),
    'share',
    [-1, 1],
    risk,
  )
}

/**
 * The share of votes for whatever stood first before the judge, each asking a pair of votes for first and second.
 * A judge without a liking for a place gives ½.
 */
export function firstShare(askings: readonly (readonly (readonly [forFirst: number, forSecond: number])[])[]): Estimate {
  return meanOf(
    'place.first',
    askings.map((group) => group.map(([first, second]) => first / (first + second))),
    'share',
    [0, 1],
  )
}

/** The share of completions that come to an end by themselves: that say the end token before the length runs out. */
export function shareEnded(ended: readonly (readonly boolean[])[], risk?: number): Estimate {
  return meanOf(
    'shareEnded',
    ended.map((group) => group.map(Number)),
    'share',
    [0, 1],
    risk,
  )
}

/**
 * The mean of a measure of completions. A measure that can lie only in a range gets an interval that holds whatever its law;
 * another one a guarded interval, which may say that it cannot tell (mean-interval.ts).
 */
export function meanOf(
  name: string,
  values: readonly (readonly number[])[],
  unit: string,
  range?: readonly [number, number],
  risk?: number,
): Estimate {
  return meanInterval(
    name,
    each(name, values, (x) => x),
    unit,
    range,
    risk,
  )
}

/**
 * How much a measure rose from the reference to the policy, paired by prompt, so that what a prompt does to both cancels.
 * A goal's gain and the gold measure's are this.
 *
 * shape   range: of the measure itself, in the unit of the values
 * units   those of the measure; standard deviations for a goal on its scale
 */
export function meanDifference(
  name: string,
  policy: readonly (readonly number[])[],
  reference: readonly (readonly number[])[],
  unit: string,
  range?: readonly [number, number],
  risk?: number,
): Estimate {
  paired(name, policy, reference)
  const after = each(name, policy, (x) => x)
  const before = each(name, reference, (x) => x)
  const differences = after.map((x, i) => x - before[i]!)
  return meanInterval(name, differences, unit, range && [range[0] - range[1], range[1] - range[0]], risk)
}

/**
 * KL(π ‖ π_ref) per completion: the mean of log π(y|x) − log π_ref(y|x), summed over tokens, over the policy's own samples y
 * drawn at temperature 1 without top-k or top-p; of any other samples this is not a KL.
 *
 * units   nats per completion
 */
export function klFromReference(logRatios: readonly (readonly number[])[], risk?: number): Estimate {
  return meanOf('klFromReference', logRatios, 'nats', undefined, risk)
}

/** Negative log-likelihoods of one text, or of the reference's completions of one prompt, summed over its tokens. */
export interface TextNll {
  readonly tokens: number
  readonly policy: number
  readonly reference: number
}

/**
 * KL(π_ref ‖ π) per token: how many nats a token of the reference's own samples costs the policy more than the reference, all tokens pooled.
 * The samples are drawn at temperature 1 without top-k or top-p; of any other text this is not a KL.
 *
 * units   nats per token
 */
export function forwardKl(samples: readonly TextNll[], risk?: number): Estimate {
  return natsPerToken('forwardKl', samples, risk)
}

/**
 * How much the perplexity of real text rose: PPL(π) / PPL(π_ref) − 1, each pooled over all tokens; texts are independent.
 *
 * units   a ratio: 0.05 is a rise by 5 %
 */
export function perplexityRise(texts: readonly TextNll[], risk?: number): Estimate {
  const { estimate, low, high, ...rest } = natsPerToken('perplexityRise', texts, risk)
  return { ...rest, estimate: Math.expm1(estimate), low: Math.expm1(low), high: Math.expm1(high), unit: 'ratio' }
}

function natsPerToken(name: string, texts: readonly TextNll[], risk?: number): Estimate {
  return ratioOf(
    name,
    texts.map(({ policy, reference }) => policy - reference),
    texts.map(({ tokens }) => tokens),
    'nats per token',
    undefined,
    risk,
  )
}

/**
 * The mean length of the policy's completions over that of the reference's.
 *
 * shape   tokens per completion, paired by prompt; longest, where it is known, is the most tokens that a completion can have: it gives the
 *         interval where the guarded one cannot tell
 */
export function lengthRatio(
  policy: readonly (readonly number[])[],
  reference: readonly (readonly number[])[],
  longest?: number,
  risk?: number,
): Estimate {
  paired('lengthRatio', policy, reference)
  const after = each('lengthRatio', policy, (x) => x)
  const before = each('lengthRatio', reference, (x) => x)
  const guarded = ratioOf('lengthRatio', after, before, 'ratio', undefined, risk)
  if (guarded.cannotTell === undefined || longest === undefined) return guarded
  return ratioOf('lengthRatio', after, before, 'ratio', [0, Math.max(longest, ...after, ...before)], risk)
}

/**
 * The ratio of two means r = Σx/Σy, as the mean of r + (x − r·y)/ȳ: what each prompt adds to it, to first order.
 *
 * shape   range: in which every x and every y lies
 * source  the delta method for a ratio of means, as for a ratio estimator in Cochran 1977, Sampling Techniques, chapter 6
 */
export function ratioOf(
  name: string,
  x: readonly number[],
  y: readonly number[],
  unit: string,
  range?: readonly [number, number],
  risk?: number,
): Estimate {
  const below = sum(y, (value) => value)
  if (!(below > 0)) throw new UserError(`${name}: what is divided by must be above 0 in all, got ${below}; give texts that have tokens`)
  const ratio = sum(x, (value) => value) / below
  const whole = below / y.length
  const parts = x.map((value, i) => ratio + (value - ratio * y[i]!) / whole)
  const ends = range && ([ratio + (range[0] - ratio * range[1]) / whole, ratio + (range[1] - ratio * range[0]) / whole] as const)
  return { ...meanInterval(name, parts, unit, ends, risk), estimate: ratio }
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

function sum<T>(items: readonly T[], number: (x: T) => number): number {
  let total = 0
  for (const item of items) total += number(item)
  return total
}
