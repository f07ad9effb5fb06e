import { fewest } from '../accept/index.ts'
import type { Estimate } from '../runs/index.ts'

/** What a set of parts is worth: shares of the logit difference. */
export interface Worth {
  /** What is left of it when everything else is ablated. */
  readonly kept: number
  /** What is lost of it when these alone are ablated. */
  readonly lost: number
}

/** How many random sets of parts stand beside the chosen ones: as many as an interval takes, and one in 21 is beyond them by chance. */
export const draws = fewest

/** The share that the parts must keep, and that must go with them. */
export const leastShare = 0.5

/**
 * Whether parts explain a difference: they keep at least half of it alone, at least half goes with them, and both are more than any of twenty random
 * sets of as many heads, MLPs and tokens does.
 *
 * Half, because parts that keep less leave more of the difference to what was not named than to what was. Both ways, because what is kept
 * alone can be a bias that every set keeps, and what is lost alone can be damage that any ablation does. More than all of twenty, because a
 * set that is as good as a random one would be so in fewer than 1 of 20 texts. Otherwise the answer is *cannot tell*, not *no*: parts that
 * were ablated may be replaced by others. The rule was written before the prompts that docs/whitebox.md reports on were looked at.
 */
export function findingOf({ kept, lost }: Worth, random: readonly Worth[]): 'explained' | 'cannot tell' {
  const half = kept >= leastShare && lost >= leastShare
  const beyond = random.every((one) => kept > one.kept && lost > one.lost)
  return half && beyond ? 'explained' : 'cannot tell'
}

/** Shares with their mean and interval over random sets. */
export interface RandomWorth {
  readonly kept: Estimate
  readonly lost: Estimate
}
