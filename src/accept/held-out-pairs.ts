import type { Estimate } from '../runs/schema.ts'
import { meanOf } from './metrics.ts'

/** Log-ratios log π − log π_ref of the two sides of a pair that was not trained on, and its votes for each. units nats */
export interface HeldOutPair {
  readonly logRatios: readonly [a: number, b: number]
  readonly votes: readonly [forA: number, forB: number]
}

/**
 * What pairs that nothing was trained on say of a policy: the share whose better side, by its votes, rose more than the other, and by how
 * much the better side's log-probability fell. A margin grows too where both sides fall, which is called displacement. Pairs whose votes tie
 * are left out; what is independent are prompts.
 *
 * shape   prompts × pairs
 * units   displacement in nats per completion, above 0 where the better side fell
 * limits  with fewer than two prompts that have a decided pair both say that they cannot tell
 * source  Razin et al. 2024, arXiv:2410.08847, likelihood displacement
 */
export function heldOutPairs(
  prompts: readonly (readonly HeldOutPair[])[],
  risk?: number,
): { readonly preferenceAccuracy: Estimate; readonly displacement: Estimate } {
  const decided = prompts.map((pairs) => pairs.filter(({ votes: [a, b] }) => a !== b).map(byVotes)).filter((pairs) => pairs.length > 0)
  const n = decided.length
  if (n < 2) {
    const cannotTell = `${n} prompts have a pair whose votes do not tie: 2 or more are needed`
    return {
      preferenceAccuracy: { estimate: 0.5, low: 0, high: 1, n, unit: 'share', cannotTell },
      displacement: { estimate: 0, low: 0, high: 0, n, unit: 'nats', cannotTell },
    }
  }
  const right = decided.map((pairs) => pairs.map(([chosen, rejected]) => (1 + Math.sign(chosen - rejected)) / 2))
  const fell = decided.map((pairs) => pairs.map(([chosen]) => 0 - chosen))
  return {
    preferenceAccuracy: meanOf('preferenceAccuracy', right, 'share', [0, 1], risk),
    displacement: meanOf('displacement', fell, 'nats', undefined, risk),
  }
}

/** The log-ratios with that of the side that has more votes first. */
function byVotes({ logRatios: [a, b], votes }: HeldOutPair): readonly [chosen: number, rejected: number] {
  return votes[0] > votes[1] ? [a, b] : [b, a]
}
