import { meanDifference, partialCorrelation, ratioOf } from '../accept/index.ts'
import type { Scored } from '../rewards/index.ts'
import type { Estimate, Evaluation } from '../runs/index.ts'
import type { Seen } from './alarms/index.ts'
import type { Look } from './look.ts'

/** How much the reward rose, and its mean doubt of what the policy says over that of what the reference says, where it knows its doubt. */
export function measuresOfReward(
  { scoredOf, before }: Pick<Look, 'scoredOf' | 'before'>,
  after: Look['before'],
  risk?: number,
): Record<string, Estimate> {
  if (!scoredOf) return {}
  const [now, then] = [after, before].map((all) => all.map((group) => group.map(({ sample }) => scoredOf(sample)))) as [
    Scored[][],
    Scored[][],
  ]
  const values = (all: readonly (readonly Scored[])[]) => all.map((group) => group.map(({ value }) => value))
  const reward = meanDifference('reward', values(now), values(then), 'reward', undefined, risk)
  const doubts = [now, then].map((all) =>
    all.map((group) => group.reduce((sum, { sd }) => sum + (sd ?? Number.NaN), 0) / group.length),
  ) as [number[], number[]]
  if (doubts.flat().some(Number.isNaN) || !doubts[1].some((x) => x > 0)) return { reward }
  return { reward, rewardDoubt: ratioOf('rewardDoubt', ...doubts, 'ratio', undefined, risk) }
}

/** How far the reward goes with the number of tokens, of what policy and reference say; with a gold measure, less what gold has of both. */
export function lengthInReward(
  { scoredOf, before }: Pick<Look, 'scoredOf' | 'before'>,
  after: Look['before'],
  gold?: { readonly after: readonly (readonly number[])[]; readonly before: readonly (readonly number[])[] },
): Pick<Seen, 'length'> {
  if (!scoredOf || after.length < 2) return {}
  const both = (of: (sample: Look['before'][number][number]['sample']) => number) =>
    after.map((group, i) => [...group, ...before[i]!].map(({ sample }) => of(sample)))
  const known = gold && after.map((_, i) => [...gold.after[i]!, ...gold.before[i]!])
  const [reward, tokens] = [both((sample) => scoredOf(sample).value), both((sample) => sample.tokens)]
  return { length: partialCorrelation('reward.length', reward, tokens, known) }
}

/** What alarms read of a reward: its doubt at the last look, and reward and gold at every look of the rounds. */
export function seenOfReward(looks: readonly Pick<Evaluation, 'look' | 'round' | 'measures'>[]): Pick<Seen, 'doubt' | 'rewarded'> {
  const rewarded = looks.flatMap(({ round, look, measures: { reward, gold } }) =>
    reward && gold && look === 'development' ? [{ round, reward, gold }] : [],
  )
  const doubt = looks.at(-1)!.measures.rewardDoubt
  return { rewarded, ...(doubt ? { doubt } : {}) }
}
