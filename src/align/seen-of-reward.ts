import { meanDifference, ratioOf } from '../accept/index.ts'
import type { Judge } from '../goals/index.ts'
import type { Estimate, Evaluation } from '../runs/index.ts'
import type { Seen } from './alarms/index.ts'
import type { Look } from './look.ts'

/** The reward's mean doubt of what the policy says, over that of what the reference says; nothing where it knows none. */
export function rewardDoubt(
  { doubtOf, before }: Pick<Look, 'doubtOf' | 'before'>,
  after: Look['before'],
  risk?: number,
): Record<string, Estimate> {
  const means = [after, before].map((all) =>
    all.map((group) => group.reduce((sum, { sample }) => sum + (doubtOf?.(sample) ?? Number.NaN), 0) / group.length),
  ) as [number[], number[]]
  if (means.flat().some(Number.isNaN) || !means[1].some((x) => x > 0)) return {}
  return { rewardDoubt: ratioOf('rewardDoubt', ...means, 'ratio', undefined, risk) }
}

/** What alarms read of a reward: its doubt at the last look, and reward and gold at every look of the rounds. */
export function seenOfReward(looks: readonly Pick<Evaluation, 'look' | 'round' | 'measures'>[]): Pick<Seen, 'doubt' | 'rewarded'> {
  const rewarded = looks.flatMap(({ round, look, measures: { reward, gold } }) =>
    reward && gold && look === 'development' ? [{ round, reward, gold }] : [],
  )
  const doubt = looks.at(-1)!.measures.rewardDoubt
  return { rewarded, ...(doubt ? { doubt } : {}) }
}

/** How much what a simulated voter or a reward is pleased by rose. */
export function utilityRise(
  { kind }: Judge,
  after: readonly (readonly number[])[],
  before: readonly (readonly number[])[],
  risk?: number,
): Record<string, Estimate> {
  const [name, unit] = kind === 'reward' ? (['reward', 'reward'] as const) : (['utility', 'log-odds'] as const)
  return { [name]: meanDifference(name, after, before, unit, undefined, risk) }
}
