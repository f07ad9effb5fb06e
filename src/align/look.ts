import {
  correlation,
  evaluate,
  klFromReference,
  lengthRatio,
  meanDifference,
  perplexityRise,
  shareEnded,
  winRate,
} from '../accept/index.ts'
import { type Goal, type Judge, type Standard, scores } from '../goals/index.ts'
import { type Checkpoint, type Policy, scoreTrees } from '../models/index.ts'
import type { Correlation, Estimate, Evaluation, SampleRow } from '../runs/index.ts'
import { judged } from './collect.ts'
import type { Prompt } from './prompts.ts'
import type { Recipe } from './recipe.ts'
import type { Reference } from './reference.ts'
import { logpOf, type Spoken, speak, treeOf } from './speak.ts'

/** What a look needs: who is compared, by whom, on which prompts. */
export interface Look {
  readonly recipe: Recipe
  readonly checkpoint: Checkpoint
  readonly policy: Policy
  readonly reference: Reference
  readonly judge: Judge
  /** Goals of the prior and, last, the gold measure where there is one, on the scale of the reference's samples. */
  readonly standard: Standard | undefined
  readonly gold: Goal | undefined
  /** One completion of each prompt by the reference at temperature 1: the other side, and the held-out text. */
  readonly before: readonly Spoken[]
  readonly prompts: readonly Prompt[]
  readonly maxTokens?: number
  readonly seed: number
  readonly onCompletion?: () => void
}

/**
 * Looks at a policy once: one completion of every prompt at temperature 1 beside the reference's, and everything that is measured of
 * the two, with intervals over prompts.
 */
export async function look(
  given: Look,
  at: { round: number; look: Evaluation['look'] },
): Promise<{ evaluation: Evaluation; rows: SampleRow[] }> {
  const { policy, checkpoint, prompts, judge, before, seed, recipe } = given
  const spoken = await speak(policy, checkpoint, prompts, {
    seed,
    ...(given.maxTokens ? { maxTokens: given.maxTokens } : {}),
    ...(given.onCompletion ? { onCompletion: given.onCompletion } : {}),
  })
  const after = spoken.map(([first]) => first!)
  const votes =
    judge.kind === 'votes'
      ? undefined
      : await judged(
          judge,
          after.map((spokenNow, i) => ({ a: spokenNow.sample, b: before[i]!.sample })),
          seed,
        )
  const referenceOfAfter = await given.reference.logps(after.map(treeOf))
  const policyOfBefore = await scoreTrees(policy, before.map(treeOf))
  await policy.rest()

  const measures: Record<string, Estimate> = {
    ...(votes ? { winRate: winRate(votes.map((vote) => [vote])) } : {}),
    klFromReference: klFromReference(after.map((one, i) => [logpOf(one) - referenceOfAfter[i]!])),
    perplexityRise: perplexityRise(
      before.map((one, i) => ({ tokens: one.completion.ids.length, policy: -policyOfBefore[i]!, reference: -logpOf(one) })),
    ),
    lengthRatio: lengthRatio(
      column(after, ({ tokens }) => tokens),
      column(before, ({ tokens }) => tokens),
    ),
    shareEnded: shareEnded(column(after, ({ ended }) => ended)),
    ...(judge.utility
      ? { utility: meanDifference('utility', column(after, judge.utility), column(before, judge.utility), 'log-odds') }
      : {}),
  }
  const standings = standingsOf(given.standard, before, after)
  for (const [name, { after: now, before: then }] of standings)
    measures[name === given.gold?.name ? 'gold' : name] = meanDifference(name, lists(now), lists(then), 'sd')
  const criteria = evaluate(recipe.accept, measures)
  const rows = after.map(
    (one, i): SampleRow => ({
      prompt: one.prompt.text,
      reference: story(before[i]!),
      policy: story(one),
      ...(votes ? { votes: votes[i]! } : {}),
    }),
  )
  return {
    evaluation: { ...at, prompts: prompts.length, criteria, measures, correlations: correlations(given, standings, before, after) },
    rows,
  }
}

interface Standing {
  readonly after: readonly number[]
  readonly before: readonly number[]
}

/** Where all completions stand on every goal, in standard deviations. */
function standingsOf(standard: Standard | undefined, before: readonly Spoken[], after: readonly Spoken[]): Map<string, Standing> {
  if (!standard) return new Map()
  const [then, now] = [before, after].map((all) => all.map(({ sample }) => scores(standard, sample))) as [number[][], number[][]]
  return new Map(standard.goals.map(({ name }, k) => [name, { after: now.map((row) => row[k]!), before: then.map((row) => row[k]!) }]))
}

/** How the gold measure goes together with each goal, and with the judge's utility where that is known. */
function correlations(
  { gold, judge }: Look,
  standings: Map<string, Standing>,
  before: readonly Spoken[],
  after: readonly Spoken[],
): Correlation[] {
  const mine = gold && standings.get(gold.name)
  if (!mine) return []
  const both = ({ after: now, before: then }: Standing) => now.map((value, i) => [value, then[i]!])
  const utility = judge.utility
  const others = [...standings].filter(([name]) => name !== gold.name)
  const hidden = utility
    ? [
        [
          'the judge’s utility',
          { after: after.map(({ sample }) => utility(sample)), before: before.map(({ sample }) => utility(sample)) },
        ] as const,
      ]
    : []
  return [...others, ...hidden].map(([name, standing]) => ({ of: gold.name, with: name, ...correlation(name, both(mine), both(standing)) }))
}

function column<T>(all: readonly Spoken[], of: (sample: Spoken['sample']) => T): T[][] {
  return all.map(({ sample }) => [of(sample)])
}

function lists(values: readonly number[]): number[][] {
  return values.map((value) => [value])
}

function story({ sample: { text, tokens, ended } }: Spoken) {
  return { text, tokens, ended }
}
