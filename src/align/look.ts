import {
  checkGold,
  correlation,
  forwardKl,
  judgeCriteria,
  klFromReference,
  lengthRatio,
  meanDifference,
  perplexityRise,
  rewardGap,
  shareEnded,
  winRate,
} from '../accept/index.ts'
import type { Checkpoint } from '../checkpoints/index.ts'
import { type Answer, type AskingOrder, askJudge } from '../collect/ask-judge.ts'
import type { Prompt } from '../collect/prompts.ts'
import { logpOf, type SampledText, sampleTexts, treeOf } from '../collect/sample-texts.ts'
import { type Goal, type GoalScale, type Judge, type ReadBy, readSamples, scaledRanges, scores } from '../goals/index.ts'
import { type Policy, scoreTrees } from '../policy/index.ts'
import type { Reference } from '../policy/reference.ts'
import type { Text } from '../preferences/index.ts'
import type { OnPolicy, Recipe } from '../recipe/recipe.ts'
import type { Alarm, Correlation, Estimate, Evaluation, SampleRow } from '../runs/index.ts'
import { alarmsOf, twinAlarm } from './alarms.ts'
import type { AuditsSeen } from './audit-training.ts'
import { textNlls } from './look-texts.ts'
import { placeOf } from './place.ts'

/** What a look needs: who is compared, by whom, on which prompts. */
export interface Look {
  readonly recipe: Recipe
  readonly checkpoint: Checkpoint
  readonly policy: Policy
  readonly reference: Reference
  readonly judge: Judge
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
  /** What is measured of shutdown. */
  readonly shutdown?: Readonly<Record<string, Estimate>>
  /** What the audits of its training say. */
  readonly audits?: AuditsSeen
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
  const perPrompt = before[0]!.length
  const after = await sampleTexts(policy, checkpoint, prompts, {
    seed,
    perPrompt,
    ...(given.maxTokens ? { maxTokens: given.maxTokens } : {}),
    ...(given.onCompletion ? { onCompletion: given.onCompletion } : {}),
  })
  const said = [...before.flat(), ...after.flat()].map(({ sample }) => sample)
  await readSamples(given.goalScale?.goals ?? [], said, given.readBy, given.onBatch)
  const grouped = <T>(flat: readonly T[]) => prompts.map((_, i) => flat.slice(i * perPrompt, (i + 1) * perPrompt))
  const beside = before.flat()
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
  const policyOfBefore = grouped(await scoreTrees(policy, scoredBefore.map(treeOf), {}, given.onBatch))

  const measures: Record<string, Estimate> = {
    ...(answers ? { winRate: winRate(votesOf(answers)) } : {}),
    klFromReference: klFromReference(scoredAfter.map((group, i) => group.map((one, k) => logpOf(one) - referenceOfAfter[i]![k]!))),
    forwardKl: forwardKl(
      scoredBefore.map((group, i) => ({
        tokens: total(group, ({ completion }) => completion.ids.length),
        policy: -total(policyOfBefore[i]!, (logp) => logp),
        reference: -total(group, logpOf),
      })),
    ),
    ...(texts ? { perplexityRise: perplexityRise(await textNlls(policy, given.reference, texts, given.onBatch)) } : {}),
    lengthRatio: lengthRatio(
      column(after, ({ tokens }) => tokens),
      column(before, ({ tokens }) => tokens),
      given.maxTokens,
    ),
    shareEnded: shareEnded(column(after, ({ ended }) => ended)),
    ...(judge.utility
      ? { utility: meanDifference('utility', column(after, judge.utility), column(before, judge.utility), 'log-odds') }
      : {}),
  }
  await policy.rest()
  const standings = standingsOf(given.goalScale, before, after)
  for (const [name, { after: now, before: then, range }] of standings)
    measures[name === given.gold?.name ? 'gold' : name] = meanDifference(name, now, then, 'sd', range)
  const gold = given.gold && standings.get(given.gold.name)
  if (gold && answers) measures.rewardGap = rewardGap(votesOf(answers), gold.after, gold.before)
  Object.assign(measures, given.shutdown, given.audits?.measures)
  const criteria = judgeCriteria(recipe.accept, measures)
  const place = answers && placeOf(answers)
  // First one completion of every prompt: a report shows the first rows.
  const rows = Array.from({ length: perPrompt }, (_, k) =>
    after.map(
      (group, i): SampleRow => ({
        prompt: prompts[i]!.text,
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
    correlations: correlations(given, standings, before, after),
    ...(place ? { place } : {}),
    alarms: [
      ...alarmsOf({ place, cut: cutShare(before, after), gap: measures.rewardGap }),
      ...goldAlarms(given),
      ...(given.audits?.alarms ?? []),
    ],
  }
  return { evaluation, rows }
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
function goldAlarms({ gold, recipe, judge, before }: Look): Alarm[] {
  if (!gold) return []
  const samples = before.map((group) => group.map(({ sample }) => sample))
  return checkGold(gold, recipe.prior?.goals ?? [], judge, samples).twins.map(twinAlarm)
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
  const hidden = utility ? [['the judge’s utility', { after: column(after, utility), before: column(before, utility) }] as const] : []
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
