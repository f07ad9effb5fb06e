import {
  checkGold,
  correlation,
  forwardKl,
  type HeldOutPair,
  heldOutPairs,
  judgeCriteria,
  klFromReference,
  lengthRatio,
  meanDifference,
  meanOf,
  perplexityRise,
  rewardGap,
  shareEnded,
  type TextNll,
  type Twin,
  tail,
  type Votes,
  winRate,
} from '../accept/index.ts'
import type { Checkpoint } from '../checkpoints/index.ts'
import { type Answer, type AskingOrder, askJudge } from '../collect/ask-judge.ts'
import type { Prompt } from '../collect/prompts.ts'
import { logpOf, type SampledText, sampleTexts, treeOf } from '../collect/sample-texts.ts'
import { repetition } from '../goals/fluent.ts'
import { type Goal, type GoalScale, type Judge, type ReadBy, readSamples, scaledRanges, scores } from '../goals/index.ts'
import { type Policy, scoreTrees } from '../policy/index.ts'
import type { Reference } from '../policy/reference.ts'
import type { Text } from '../preferences/index.ts'
import type { OnPolicy, Recipe } from '../recipe/recipe.ts'
import { withoutUndefined } from '../recipe/without-undefined.ts'
import type { Scored } from '../rewards/index.ts'
import type { Correlation, Estimate, Evaluation, SampleRow } from '../runs/index.ts'
import { alarmsOf, type Seen } from './alarms/index.ts'
import type { AuditsSeen } from './audit-training.ts'
import { textNlls } from './look-texts.ts'
import { placeOf } from './place.ts'
import { lengthInReward, measuresOfReward, seenOfReward } from './seen-of-reward.ts'
import type { ShutdownSeen } from './shutdown-measures.ts'
import { stopsOf } from './stops.ts'

/** What a look needs: who is compared, by whom, on which prompts. */
export interface Look {
  readonly recipe: Recipe
  readonly checkpoint: Checkpoint
  readonly policy: Policy
  readonly reference: Reference
  readonly judge: Judge
  /** Where completions are rewarded: scores those of both sides, before the judge, who then knows the scores, is asked. */
  readonly score?: (after: Look['before']) => Promise<void>
  readonly order: OnPolicy['order']
  /** Goals of the prior and, last, the gold measure where there is one, on the scale of the reference's samples. */
  readonly goalScale: GoalScale | undefined
  readonly gold: Goal | undefined
  /** The model that goals are read in, where they need one. */
  readonly readBy: ReadBy
  /** Completions of each prompt by the reference at temperature 1: the other side, and what the forward KL is taken on. */
  readonly before: readonly (readonly SampledText[])[]
  readonly prompts: readonly Prompt[]
  /** Real text, for the perplexity. */
  readonly texts?: readonly Text[]
  /** Where completions are rewarded: what each got, once it was scored. */
  readonly scoredOf?: (sample: SampledText['sample']) => Scored
  /** The looks at earlier rounds, oldest first, for alarms that compare rounds. */
  readonly earlier?: readonly Evaluation[]
  /** Votes for the first and the second completion of each prompt by the reference, where these pairs are measured. */
  readonly pairs?: readonly Votes[]
  /** What is measured of shutdown. */
  readonly shutdown?: Pick<ShutdownSeen, 'at'>
  /** What the audits of its training say. */
  readonly audits?: AuditsSeen
  /** The round's training, for alarms. */
  readonly training?: Pick<Seen, 'metrics' | 'contribution'>
  readonly maxTokens?: number
  readonly seed: number
  readonly onCompletion?: () => void
  readonly onBatch?: () => void
  readonly asking?: Pick<AskingOrder, 'progress' | 'signal'>
}

/**
 * Looks at a policy once: as many completions of every prompt at temperature 1 as the reference's beside them, and everything that is
 * measured of the two, with intervals over prompts.
 */
export async function look(
  given: Look,
  at: { round: number; look: Evaluation['look'] },
): Promise<{ evaluation: Evaluation; rows: SampleRow[] }> {
  const { policy, checkpoint, prompts, judge, before, seed, recipe, texts } = given
  const { perPrompt } = recipe.look
  const after = await sampleTexts(policy, checkpoint, prompts, {
    seed,
    perPrompt,
    ...(given.maxTokens ? { maxTokens: given.maxTokens } : {}),
    ...(given.onCompletion ? { onCompletion: given.onCompletion } : {}),
  })
  const said = [...before.flat(), ...after.flat()].map(({ sample }) => sample)
  await readSamples(given.goalScale?.goals ?? [], said, given.readBy, given.onBatch)
  await given.score?.(after)
  const grouped = <T>(flat: readonly T[]) => prompts.map((_, i) => flat.slice(i * perPrompt, (i + 1) * perPrompt))
  const beside = before.flatMap((group) => group.slice(0, perPrompt))
  const answers =
    judge.kind === 'votes'
      ? undefined
      : grouped(
          await askJudge(
            judge,
            after.flat().map((one, i) => ({ a: one.sample, b: beside[i]!.sample })),
            { seed, order: given.order, ...given.asking },
          ),
        )
  const scored = Math.min(recipe.look.scored ?? prompts.length, prompts.length)
  const [scoredAfter, scoredBefore] = [after.slice(0, scored), before.slice(0, scored)]
  const referenceOfAfter = grouped(await given.reference.logps(scoredAfter.map(treeOf), given.onBatch))
  const policyOfBefore = regrouped(await scoreTrees(policy, scoredBefore.map(treeOf), {}, given.onBatch), scoredBefore)
  const nlls = texts && (await textNlls(policy, given.reference, texts, given.onBatch))
  const apart = samplerApart(
    scoredAfter.slice(0, rescored),
    await scoreTrees(policy, scoredAfter.slice(0, rescored).map(treeOf), {}, given.onBatch),
  )
  await policy.rest()
  const standings = standingsOf(given.goalScale, before, after)
  const gold = given.gold && betterIsMore(standings.get(given.gold.name), given.gold.direction)
  const pairs = given.pairs && heldOutOf(given.pairs, scoredBefore, policyOfBefore)
  const measuresAt = (risk?: number): Record<string, Estimate> => ({
    ...(answers ? { winRate: winRate(votesOf(answers), risk) } : {}),
    klFromReference: klFromReference(
      scoredAfter.map((group, i) => group.map((one, k) => logpOf(one) - referenceOfAfter[i]![k]!)),
      risk,
    ),
    forwardKl: forwardKl(costsOf(scoredBefore, policyOfBefore), risk),
    ...(nlls ? { perplexityRise: perplexityRise(nlls, risk) } : {}),
    lengthRatio: lengthRatio(
      column(after, ({ tokens }) => tokens),
      column(before, ({ tokens }) => tokens),
      given.maxTokens,
      risk,
    ),
    shareEnded: shareEnded(column(after, ({ ended }) => ended), risk), // biome-ignore format: one line
    repetition: meanOf('repetition', column(after, repetition), 'share', [0, 1], risk),
    ...(pairs ? heldOutPairs(pairs, risk) : {}),
    ...(judge.utility && judge.kind !== 'reward'
      ? { utility: meanDifference('utility', column(after, judge.utility), column(before, judge.utility), 'log-odds', undefined, risk) }
      : {}),
    ...measuresOfReward(given, after, risk),
    ...rises(standings, given.gold?.name, risk),
    ...(gold ? { gold: meanDifference('gold', gold.after, gold.before, 'sd', gold.range, risk) } : {}),
    ...(gold && answers ? { rewardGap: rewardGap(votesOf(answers), gold.after, gold.before, risk) } : {}),
    ...given.shutdown?.at(risk ?? tail),
  })
  const measures = { ...measuresAt(), ...given.audits?.measures }
  const criteria = judgeCriteria(recipe.accept, measures)
  const place = answers && placeOf(answers)
  // First one completion of every prompt: a report shows the first rows.
  const rows = Array.from({ length: perPrompt }, (_, k) =>
    after.map(
      (group, i): SampleRow => ({
        prompt: prompts[i]!.text,
        ...(prompts[i]!.messages ? { talk: true } : {}),
        reference: sideOf(before[i]![k]!),
        policy: sideOf(group[k]!),
        ...(answers ? asked(answers[i]![k]!) : {}),
      }),
    ),
  ).flat()
  const evaluation: Evaluation = {
    ...at,
    prompts: prompts.length,
    criteria,
    measures,
    ...stopsOf(recipe, measures, measuresAt),
    correlations: correlations(given, standings, before, after),
    ...(place ? { place } : {}),
    alarms: [
      ...alarmsOf({
        ...withoutUndefined({ place, gap: measures.rewardGap, displacement: measures.displacement, apart, ...given.training }),
        ...{ cut: cutShare(before, after), twins: goldTwins(given) },
        ...lengthInReward(given, after, gold),
        ...seenOfReward([...(given.earlier ?? []), { ...at, measures }]),
      }),
      ...(given.audits?.alarms ?? []),
    ],
  }
  return { evaluation, rows }
}

/** How many prompts' completions are scored again, to see whether the sampler says of its tokens what scoring does. */
const rescored = 8

/** The mean distance of both, over prompts. units nats per token */
function samplerApart(groups: Look['before'], scored: readonly number[]): Estimate {
  const byPrompt = regrouped(scored, groups).map((logps, i) =>
    logps.map((logp, k) => Math.abs(logp - logpOf(groups[i]![k]!)) / Math.max(1, groups[i]![k]!.completion.ids.length)),
  )
  return meanOf('sampler.apart', byPrompt, 'nats per token')
}

/** Numbers of completions in the groups that they are of. */
function regrouped<T>(flat: readonly T[], groups: Look['before']): T[][] {
  let at = 0
  return groups.map(({ length }) => flat.slice(at, (at += length)))
}

/** What the reference's own completions cost the policy and the reference, prompt by prompt. */
function costsOf(groups: Look['before'], policy: readonly (readonly number[])[]): TextNll[] {
  return groups.map((group, i) => ({
    tokens: total(group, ({ completion }) => completion.ids.length),
    policy: -total(policy[i]!, (logp) => logp),
    reference: -total(group, logpOf),
  }))
}

/** The reference's first two completions of each prompt as pairs that nothing was trained on. */
function heldOutOf(votes: readonly Votes[], groups: Look['before'], policy: readonly (readonly number[])[]): HeldOutPair[][] {
  const ratio = (i: number, k: 0 | 1) => policy[i]![k]! - logpOf(groups[i]![k]!)
  return groups.map((_, i) => [{ logRatios: [ratio(i, 0), ratio(i, 1)], votes: votes[i]! }])
}

/** How much each goal rose, without the gold measure. */
function rises(standings: ReadonlyMap<string, Standing>, gold: string | undefined, risk?: number): Record<string, Estimate> {
  const others = [...standings].filter(([name]) => name !== gold)
  return Object.fromEntries(
    others.map(([name, { after, before, range }]) => [name, meanDifference(name, after, before, 'sd', range, risk)] as const),
  )
}

/** A standing turned round where less of the measure is better. */
function betterIsMore(standing: Standing | undefined, direction: 1 | -1): Standing | undefined {
  if (!standing || direction === 1) return standing
  const turned = (all: Column) => all.map((group) => group.map((x) => 0 - x))
  const { after, before, range } = standing
  return { after: turned(after), before: turned(before), ...(range ? { range: [-range[1], -range[0]] as const } : {}) }
}

/** A number for each completion of each prompt. */
type Column = readonly (readonly number[])[]

interface Standing {
  readonly after: Column
  readonly before: Column
  /** Where the goal declares one. */
  readonly range?: readonly [low: number, high: number]
}

/** Where all completions stand on every goal, in standard deviations. */
function standingsOf(goalScale: GoalScale | undefined, before: Look['before'], after: Look['before']): Map<string, Standing> {
  if (!goalScale) return new Map()
  const [then, now] = [before, after].map((all) => all.map((group) => group.map(({ sample }) => scores(goalScale, sample))))
  const only = (all: number[][][], k: number) => all.map((group) => group.map((row) => row[k]!))
  const ranges = scaledRanges(goalScale)
  return new Map(
    goalScale.goals.map(({ name }, k) => [
      name,
      { after: only(now!, k), before: only(then!, k), ...(ranges[k] ? { range: ranges[k] } : {}) },
    ]),
  )
}

/** Whether the gold measure says of the reference's completions what a goal or the judge's utility says. */
function goldTwins({ gold, recipe, judge, before }: Look): readonly Twin[] {
  if (!gold) return []
  const samples = before.map((group) => group.map(({ sample }) => sample))
  return checkGold(gold, recipe.prior?.goals ?? [], judge, samples).twins
}

/** How the gold measure goes together with each goal, and with the judge's utility where that is known. */
function correlations(
  { gold, judge }: Look,
  standings: Map<string, Standing>,
  before: Look['before'],
  after: Look['before'],
): Correlation[] {
  const mine = gold && standings.get(gold.name)
  if (!mine) return []
  const both = ({ after: now, before: then }: Standing) => now.map((values, i) => [...values, ...then[i]!])
  const { utility } = judge
  const others = [...standings].filter(([name]) => name !== gold.name)
  const hidden = utility
    ? [
        [
          judge.kind === 'reward' ? 'the reward' : 'the judge’s utility',
          { after: column(after, utility), before: column(before, utility) },
        ] as const,
      ]
    : []
  return [...others, ...hidden].map(([name, standing]) => ({ of: gold.name, with: name, ...correlation(name, both(mine), both(standing)) }))
}

function votesOf(answers: readonly (readonly Answer[])[]) {
  return answers.map((group) => group.map(({ votes }) => votes))
}

function column<T>(all: Look['before'], of: (sample: SampledText['sample']) => T): T[][] {
  return all.map((group) => group.map(({ sample }) => of(sample)))
}

function total<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0)
}

/** The share of completions, of both sides, that ran into the limit of their length. */
function cutShare(before: Look['before'], after: Look['before']): Estimate {
  return { ...shareEnded(before.map((group, i) => [...group, ...after[i]!].map(({ sample }) => !sample.ended))), unit: 'share' }
}

function asked({ votes, askings }: Answer): Pick<SampleRow, 'votes' | 'askings'> {
  return { votes, askings: askings.map(({ first, votes }) => ({ first: first === 'a' ? 'policy' : 'reference', votes })) }
}

function sideOf({ sample: { text, tokens, ended } }: SampledText) {
  return { text, tokens, ended }
}
