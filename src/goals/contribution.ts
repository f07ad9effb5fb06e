import { dataBits, type Posterior, posteriorOf, type VotedPair } from './posterior.ts'
import { type GoalPrior, referencePrior } from './prior.ts'
import { studentQuantile } from './special-functions.ts'

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
  }
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
  const alone = posteriorOf(referencePrior(prior), pairs)
  const votes = pairs.reduce((sum, pair) => sum + pair.votes[0] + pair.votes[1], 0)
  const { bits: data, moved, sharpened } = dataBits(posterior, prior)
  const threshold = fightsBelow(pairs, prior.goals.length)
  const weights = prior.goals.map((goal, k): Weight => {
    const z = alone.mean[k]! / alone.sd[k]!
    const mean = posterior.mean[k]!
    return {
      goal: goal.name,
      prior: { mean: prior.mean[k]!, sd: Math.sqrt(prior.variance[k]!) },
      posterior: { mean, low: mean - 1.96 * posterior.sd[k]!, high: mean + 1.96 * posterior.sd[k]! },
      votes: { mean: alone.mean[k]!, sd: alone.sd[k]!, z },
      fighting: z * Math.sign(prior.mean[k]!) < threshold,
    }
  })
  return {
    posterior,
    contribution: {
      weights,
      votes,
      bits: {
        prior: prior.bits,
        data,
        moved,
        sharpened,
        saved: votes - alone.codeLength,
        savedByPrior: alone.codeLength - posterior.codeLength,
      },
      fighting: weights.filter((weight) => weight.fighting).map((weight) => weight.goal),
    },
  }
}

/** The z below which a weight contradicts its stated direction. */
function fightsBelow(pairs: readonly VotedPair[], goals: number): number {
  const clusters = new Set(pairs.map(({ cluster }, i) => cluster ?? i)).size
  const freedom = clusters - goals
  if (freedom < 1) return Number.NEGATIVE_INFINITY
  return studentQuantile(falseAlarms / goals, freedom) * Math.sqrt(clusters / freedom)
}
