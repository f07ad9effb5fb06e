import { rolloutsOf } from '../collect/collect.ts'
import { dealPrompts, type Prompt, type PromptParts } from '../collect/prompts.ts'
import { type SampledText, sampleTexts } from '../collect/sample-texts.ts'
import { checkGoals, type Goal, type GoalScale, goalScale, readSamples, type Sample } from '../goals/index.ts'
import type { Text } from '../preferences/index.ts'
import { seedFor } from '../random/index.ts'
import type { Recipe } from '../recipe/recipe.ts'
import { type FromReward, goalsOfReward, type RewardSource } from '../recipe/rewarded.ts'
import { commandReward, folderReward, goalsReward, keptReward, type Reward, type RewardRow, type Scored } from '../rewards/index.ts'
import type { DataFile, Evaluation, Run } from '../runs/index.ts'
import type { Critic } from './critic.ts'
import { openLookTexts } from './look-texts.ts'
import { goalsOf, heeding, type Models, readBy } from './open-models.ts'
import { promptData } from './rounds.ts'
import { begin, type Stopping, type Watch } from './watch.ts'

/** What the rounds on a reward share: the recipe and its models, the prompts in parts, and the reward. */
export interface Rewarded {
  readonly recipe: Recipe
  readonly preferences: FromReward
  readonly models: Models
  readonly prompts: PromptParts
  /** How many prompts each rollout of a round has. */
  readonly counts: readonly number[]
  readonly data: readonly DataFile[]
  readonly texts?: readonly Text[]
  readonly watch: Watch
  readonly signal?: AbortSignal
  /** The reference's completions for each look; sampled once. */
  readonly referenceTexts: Partial<Record<Evaluation['look'], readonly (readonly SampledText[])[]>>
  /** Opened once the first completions are to be scored. */
  reward?: Reward
  /** The round that the reward was learned for, where it is learned. */
  learned?: number
  /** What expects returns, where the objective has one. */
  critic?: Critic
  /** Of the goals that looks measure. */
  goalScale?: GoalScale
}

/** The file of a run that keeps what its reward has said. */
const keptFile = 'rewards.jsonl'

/**
 * Prepares a recipe whose completions are rewarded.
 *
 * throws  UserError as dealPrompts
 */
export async function openRewardedParts(
  recipe: Recipe,
  preferences: FromReward,
  models: Models,
  watch: Watch,
  { signal }: Stopping = {},
): Promise<Rewarded> {
  const prompts = await dealPrompts(recipe, preferences, models.checkpoint)
  const bounded = Object.hasOwn(recipe.accept, 'perplexityRise')
  const texts = recipe.look.texts === undefined ? undefined : await openLookTexts(recipe.look.texts, models.checkpoint, watch, bounded)
  await checkGoals([...goalsOf(recipe), ...namedIn(recipe, preferences.reward)], readBy(models))
  return {
    ...{ recipe, preferences, models, prompts, watch, referenceTexts: {} },
    counts: rolloutsOf(prompts.train.length, preferences),
    data: [await promptData(preferences, prompts), ...(texts ? [texts.data] : [])],
    ...(texts ? { texts: texts.texts } : {}),
    ...(signal ? { signal } : {}),
  }
}

/** The reference's completions of a look's prompts: the other side of the look, and what goals take their scale from. */
export async function referenceSide(rewarded: Rewarded, which: Evaluation['look']): Promise<readonly (readonly SampledText[])[]> {
  const { recipe, preferences, models, prompts, referenceTexts, watch } = rewarded
  const known = referenceTexts[which]
  if (known) return known
  const { perPrompt } = recipe.look
  const bar = begin(watch, 'sampling the reference', prompts[which].length * perPrompt)
  const texts = await sampleTexts(models.referencePolicy, models.checkpoint, prompts[which], {
    ...preferences.sampling,
    perPrompt,
    seed: seedFor(recipe.seed, `before/${which}`),
    onCompletion() {
      rewarded.signal?.throwIfAborted()
      bar.advance()
    },
  })
  bar.done()
  referenceTexts[which] = texts
  return texts
}

/** The reward of a run, which keeps what it has said in the run's folder; one of goals takes its scale from the reference's development completions. */
export async function rewardOf(rewarded: Rewarded, run: Run): Promise<Reward> {
  const { recipe, preferences, models } = rewarded
  const { reward: source } = preferences
  if (rewarded.reward) return rewarded.reward
  if ('learn' in source) throw new Error('internal: a learned reward must be learned before it scores')
  if ('goals' in source) {
    const { goals, weights } = goalsOfReward(recipe, source.goals)
    rewarded.reward = goalsReward(await scaleOf(rewarded, goals), weights, readBy(models))
  } else rewarded.reward = keptReward(await opened(source, models, rewarded.watch), await run.path(keptFile))
  return rewarded.reward
}

async function opened(
  source: Exclude<RewardSource, { goals: unknown } | { learn: unknown }>,
  { checkpoint }: Models,
  watch: Watch,
): Promise<Reward> {
  if ('score' in source) return source
  if ('command' in source) return commandReward(source.command, source)
  return folderReward(source.folder, { writer: checkpoint.folder, onProgress: (line) => watch.note?.(line) })
}

/** The scale of the goals that looks measure; none where there are none. */
export async function goalScaleOf(rewarded: Rewarded): Promise<GoalScale | undefined> {
  const goals = goalsOf(rewarded.recipe)
  if (goals.length > 0) rewarded.goalScale ??= await scaleOf(rewarded, goals)
  return rewarded.goalScale
}

async function scaleOf(rewarded: Rewarded, goals: readonly Goal[]): Promise<GoalScale> {
  const samples = (await referenceSide(rewarded, 'development')).flat().map(({ sample }) => sample)
  await readSamples(goals, samples, readBy(rewarded.models), heeding(rewarded.models))
  return goalScale(goals, samples)
}

function namedIn(recipe: Recipe, source: RewardSource): readonly Goal[] {
  return 'goals' in source ? goalsOfReward(recipe, source.goals).goals : []
}

/** A completion as a reward reads it. */
export function rewardRow(prompt: Prompt, ids: readonly number[], text: string): RewardRow {
  const said = prompt.messages ? { messages: prompt.messages } : { text: prompt.text }
  return { prompt: said, completion: text, promptIds: prompt.ids, completionIds: ids }
}

/** Scores completions as a look has them, and says what each got. */
export async function scoredBy(
  rewarded: Rewarded,
  run: Run,
  groups: readonly (readonly SampledText[])[],
): Promise<(sample: Sample) => Scored> {
  const all = groups.flat()
  const reward = await rewardOf(rewarded, run)
  const scored = await reward.score(
    all.map(({ prompt, completion, sample }) => rewardRow(prompt, completion.ids, sample.text)),
    rewarded.signal,
  )
  const found = new Map(all.map(({ sample }, i) => [sample, scored[i]!]))
  return (sample) => found.get(sample)!
}
