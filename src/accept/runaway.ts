import type { Estimate } from '../runs/schema.ts'

/** A look at a policy that a reward trains: how far the mean reward and the mean gold rose, each above the same beginning. */
export interface RewardLook {
  readonly reward: Measured
  readonly gold: Measured
}

type Measured = Pick<Estimate, 'estimate' | 'low' | 'high'>

/** A reward that ran away: the looks, counted from 0, at which gold was highest and at which the rule fired. */
export interface Runaway {
  readonly best: number
  readonly fired: number
  readonly why: string
}

/**
 * Whether the reward rises while gold falls: at each of the last `patience` looks the reward is above and gold below what they were where gold
 * was highest, and at the last one gold is lower by more than both half intervals, squared and added. What was at the best look is worth keeping.
 *
 * limits  gold measured on few prompts falls late enough to be seen; the fall until then is lost only where the best look was not kept
 * source  Gao, Schulman and Hilton 2022, arXiv:2210.10760, who stop where gold is highest
 */
export function runaway(looks: readonly RewardLook[], patience: number): Runaway | undefined {
  const before = looks.slice(0, Math.max(0, looks.length - patience))
  const last = looks.at(-1)
  if (before.length === 0 || !last) return undefined
  const best = before.reduce((most, look, i) => (look.gold.estimate > before[most]!.gold.estimate ? i : most), 0)
  const top = before[best]!
  const apart = looks
    .slice(-patience)
    .every(({ reward, gold }) => reward.estimate > top.reward.estimate && gold.estimate < top.gold.estimate)
  const fell = top.gold.estimate - last.gold.estimate
  if (!apart || fell <= Math.hypot(top.gold.estimate - top.gold.low, last.gold.high - last.gold.estimate)) return undefined
  const said = (x: number) => String(Number(x.toPrecision(3)))
  const why = `the reward rose from ${said(top.reward.estimate)} to ${said(last.reward.estimate)} while gold fell from ${said(top.gold.estimate)} [${said(top.gold.low)}, ${said(top.gold.high)}] to ${said(last.gold.estimate)} [${said(last.gold.low)}, ${said(last.gold.high)}]`
  return { best, fired: looks.length - 1, why }
}
