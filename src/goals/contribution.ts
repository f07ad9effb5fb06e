import { type LaplacePosterior, laplacePosterior } from './laplace-posterior.ts'
import { type Found, gaussianOf, type Posterior, posteriorOf } from './posterior.ts'
import { prequentialBits } from './prequential.ts'
import { type GoalPrior, referencePrior } from './prior.ts'
import { studentQuantile } from './special-functions.ts'
import type { VotedPair } from './voted-pair.ts'

/** Votes that carry no preference at all make some goal fight in at most this share of runs, whatever the number of goals. */
export const falseAlarms = 0.01

/** One goal's weight before and after the votes. */
export interface Weight {
  readonly goal: string
  readonly prior: { readonly mean: number; readonly sd: number }
  /** With the prior: mean and 95 % interval. */
  readonly posterior: { readonly mean: number; readonly low: number; readonly high: number }
  /** From the reference, without the prior's pseudo-votes: what the votes say by themselves. */
  readonly votes: { readonly mean: number; readonly sd: number; readonly z: number }
  /** The votes contradict the stated direction. */
  readonly fighting: boolean
}

/** What the prior and what the votes put in: numbers for the report, ready for JSON. */
export interface Contribution {
  readonly weights: readonly Weight[]
  readonly votes: number
  readonly bits: {
    /** log2 P_prior(G)/P_ref(G), G the weights whose signs all agree with the stated directions. Votes never change it. */
    readonly prior: number
    /** KL(posterior‖prior)/ln 2 … */
    readonly data: number
    /** … of which the mean moved: what the votes said; */
    readonly moved: number
    /** … and the spread shrank: that votes were cast, whatever they said. */
    readonly sharpened: number
    /** Bits the votes save on their own code, learned from the reference, against a coin's one bit a vote; not above 0 for empty votes. */
    readonly saved: number
    /** Bits the prior saves (or, below 0, costs) on that code beyond the reference: L_ref − L_prior. */
    readonly savedByPrior: number
    /** What the votes cost with prior and learning, −log2 of the evidence: votes − saved − savedByPrior, and data + left. */
    readonly code: number
    /** What they still cost once the weights are known as the posterior knows them: code − data. */
    readonly left: number
    /** What they cost block by block, each told by those before it, with the prior and with the reference. */
    readonly prequential: { readonly prior: number; readonly reference: number }
  }
  /** How the posterior was found. */
  readonly posterior: Found
  /** The goals whose stated direction the votes contradict. */
  readonly fighting: readonly string[]
}

/**
 * Tells apart what the prior and what the votes contributed, and names every goal that is fighting the data.
 *
 * A goal fights when the votes alone put its weight on the other side of zero: z·direction below Student's quantile of 1 %/goals, one-sided,
 * with z the reference posterior's mean over its cluster-robust deviation. That deviation is too small by about √((C − d)/C) with C clusters
 * and d goals, and known to C − d degrees of freedom. A goal that is merely weaker or stronger than stated does not fight.
 *
 * units   bits; weights in log-odds per standard deviation
 * limits  with no more clusters than goals nothing fights, because nothing can be told
 * source  Bell and McCaffrey 2002 and Cameron and Miller 2015 on few clusters
 */
export function contribution(prior: GoalPrior, pairs: readonly VotedPair[]): { posterior: Posterior; contribution: Contribution } {
  const posterior = posteriorOf(prior, pairs)
  const { method } = posterior.found
  const reference = referencePrior(prior)
  const alone = votesAlone(prior, pairs)
  const aloneCode = method === 'hmc' ? posteriorOf(reference, pairs, { method }).codeLength : alone.codeLength
  const votes = pairs.reduce((sum, pair) => sum + pair.votes[0] + pair.votes[1], 0)
  const { bits: data, moved, sharpened } = posterior.data
  const code = posterior.codeLength
  const fights = fightingOf(prior, alone, pairs)
  const weights = prior.goals.map((goal, k): Weight => {
    const [mean, sd] = [posterior.mean[k]!, posterior.sd[k]!]
    return {
      goal: goal.name,
      prior: { mean: prior.mean[k]!, sd: Math.sqrt(prior.variance[k]!) },
      posterior: { mean, ...held({ low: mean - 1.96 * sd, high: mean + 1.96 * sd }, prior.law.signs[k]!) },
      votes: { mean: alone.mean[k]!, sd: alone.sd[k]!, z: alone.mean[k]! / alone.sd[k]! },
      fighting: fights[k]!,
    }
  })
  const bits = { prior: prior.bits, data, moved, sharpened, saved: votes - aloneCode, savedByPrior: aloneCode - code }
  return {
    posterior,
    contribution: {
      ...{ weights, votes, posterior: posterior.found },
      bits: {
        ...{ ...bits, code, left: code - data },
        prequential: {
          prior: prequentialBits(prior, pairs, { method }),
          reference: prequentialBits(reference, pairs, { method: 'laplace' }),
        },
      },
      fighting: weights.filter((weight) => weight.fighting).map((weight) => weight.goal),
    },
  }
}

/** The goals whose stated direction the votes contradict. */
export function fightingGoals(prior: GoalPrior, pairs: readonly VotedPair[]): string[] {
  const fights = fightingOf(prior, votesAlone(prior, pairs), pairs)
  return prior.goals.filter((_, k) => fights[k]).map(({ name }) => name)
}

/** What the votes say from the reference, without the prior's pseudo-votes. */
function votesAlone(prior: GoalPrior, pairs: readonly VotedPair[]): LaplacePosterior {
  return laplacePosterior(gaussianOf(referencePrior(prior).law), pairs)
}

function fightingOf(prior: GoalPrior, { mean, sd }: LaplacePosterior, pairs: readonly VotedPair[]): boolean[] {
  const threshold = fightsBelow(pairs, prior.goals.length)
  return prior.goals.map((_, k) => (mean[k]! / sd[k]!) * Math.sign(prior.mean[k]!) < threshold)
}

/** An interval of a weight that is held to a side of zero. */
function held({ low, high }: { low: number; high: number }, sign: number) {
  return { low: sign > 0 ? Math.max(low, 0) : low, high: sign < 0 ? Math.min(high, 0) : high }
}

/** The z below which a weight contradicts its stated direction. */
function fightsBelow(pairs: readonly VotedPair[], goals: number): number {
  const clusters = new Set(pairs.map(({ cluster }, i) => cluster ?? i)).size
  const freedom = clusters - goals
  if (freedom < 1) return Number.NEGATIVE_INFINITY
  return studentQuantile(falseAlarms / goals, freedom) * Math.sqrt(clusters / freedom)
}
