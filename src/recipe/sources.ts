import { commandJudge, endpointJudge, type Judge, modelJudge, people, votesFile } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import type { Sampling } from '../models/index.ts'
import type { Objective } from '../objectives/index.ts'
import type { Columns, TalkMessage, Truncate } from '../preferences/index.ts'
import type { LearnedReward } from './learned-reward.ts'
import { type FromReward, type RewardSource, rewardedOf } from './rewarded.ts'
import type { ParsedRecipe, RecipeInput } from './schema.ts'
import { withoutUndefined } from './without-undefined.ts'

/** What a recipe can train on. */
export type Source = FromFile | FromRollouts | FromTexts | FromTasks | OnPolicy | FromReward

/** Preferences from a file: pairs, or labelled completions. */
export interface FromFile {
  readonly kind: 'file'
  readonly pairs: string
  readonly shuffle: boolean
  readonly boundary: 'strict' | 'trim'
  readonly maxLength?: number
  /** What becomes of rows that are too long. */
  readonly truncate: Truncate
  /** Which column of the file is what, where their names do not tell. */
  readonly columns?: Columns
  /** Share of the prompts that is not trained on, so that accuracy can be measured there. */
  readonly heldOut: number
}

/** Completions that were sampled before, with rewards, and what the model that sampled them gave to each token. */
export interface FromRollouts {
  readonly kind: 'rollouts'
  readonly rollouts: string
  /** The order of the file unless told. */
  readonly shuffle: boolean
}

/** No preferences: texts to learn token by token. */
export interface FromTexts {
  readonly kind: 'texts'
  readonly file: string
  readonly shuffle: boolean
  readonly boundary: 'strict' | 'trim'
  readonly maxLength?: number
  /** Which column of the file is what, where their names do not tell. */
  readonly columns?: Columns
  /** Share of the texts that is not trained on, so that bits per byte can be measured there. */
  readonly heldOut: number
  /** Steps between two such measurements. */
  readonly measureEvery: number
}

/** No preferences: tasks whose answers have a length and a value, for DReST. */
export interface FromTasks {
  readonly kind: 'tasks'
  readonly file: string
  /** Tasks of each round: each has one meta-episode; all training tasks when there are fewer. */
  readonly perRound: number
  /** Tasks at a time: a round trains on those before it asks the next. All of the round unless told. */
  readonly rollout?: number
}

/** A prompt that stands in a recipe: a text, or a talk that the model is to answer. */
export type InlinePrompt = string | readonly TalkMessage[]

/** Preferences over the policy's own completions: sampled, paired, and put before a judge. */
export interface OnPolicy {
  readonly kind: 'onPolicy'
  /** A file of prompts, or the prompts themselves, texts or talks. */
  readonly prompts: string | readonly InlinePrompt[]
  readonly perPrompt: number
  /** Whether each completion of a prompt is compared with the next, in a ring, or with every other. */
  readonly compare: 'ring' | 'all'
  /** Whether every pair of a prompt is trained on, or the one alone whose sides are furthest apart; all of them count as votes. */
  readonly trainOn: 'all' | 'extremes'
  /** With extremes: a completion stands at w·φ − sdPenalty·sd by the posterior, in the place of its mean label. */
  readonly sdPenalty?: number
  /** Prompts sampled in each round; all training prompts when there are fewer. */
  readonly promptsPerRound: number
  /** Prompts sampled at a time: a round trains on the pairs of each rollout before it samples the next. All of the round unless told. */
  readonly rollout?: number
  readonly judge: Judge | JudgeByGoals
  /** Whether each side stands first before the judge in half of the pairs, or every pair is asked in both orders. */
  readonly order: 'half' | 'both'
  readonly sampling: Pick<Sampling, 'maxTokens' | 'topK' | 'topP' | 'weights'> & { readonly temperature: number }
}

/** The stated goals as the judge, with weights in log-odds per standard deviation. */
export interface JudgeByGoals {
  readonly kind: 'byGoals'
  readonly weights: Readonly<Record<string, number>>
}

/** The stated goals as the judge, for a recipe: weights in log-odds per standard deviation, by goal. */
export function judgeByGoals(weights: Readonly<Record<string, number>>): JudgeByGoals {
  return { kind: 'byGoals', weights }
}

/**
 * What a recipe trains on.
 *
 * throws  UserError when it names nothing, or two things
 */
export function sourceOf(
  { preferences, texts, shutdown, reward, train: { batch } }: ParsedRecipe,
  objective: Objective,
  written: Pick<RecipeInput, 'preferences'>,
): Source {
  const learnsTasks = objective.needs.includes('tasks')
  if (reward && (!preferences || !('prompts' in preferences)))
    throw new UserError(
      `preferences: must have prompts that the policy completes for its reward, got ${preferences ? `a file of ${'rollouts' in preferences ? 'rollouts' : 'pairs'}` : 'none'}; name a file under preferences.prompts`,
    )
  if (reward && preferences && 'prompts' in preferences)
    return rewardedOf(
      'learn' in reward ? learnedOf(reward) : (withoutUndefined(reward) as RewardSource),
      written,
      preferences,
      objective,
      batch,
    )
  if (preferences && texts)
    throw new UserError('texts: must be left out where there are preferences, got both; train on the texts first, in a recipe of their own')
  if (learnsTasks) return tasksOf(shutdown, preferences ? 'preferences' : texts ? 'texts' : undefined)
  if (texts) return { kind: 'texts', ...withoutUndefined(named(texts)) }
  if (!preferences)
    throw new UserError(
      `preferences: must be an object with pairs, or an object with prompts and judge, got nothing; add it, or texts${shutdown?.tasks ? ', or objective: drest(), which learns from shutdown.tasks' : ''}`,
    )
  if ('rollouts' in preferences) return { kind: 'rollouts', ...preferences }
  return 'pairs' in preferences ? { kind: 'file', ...withoutUndefined(named(preferences)) } : onPolicyOf(preferences)
}

function named<T extends { columns?: Readonly<Record<string, string | undefined>> | undefined }>({ columns, ...rest }: T) {
  return { ...rest, columns: columns && (withoutUndefined(columns) as Columns) }
}

function tasksOf(shutdown: ParsedRecipe['shutdown'], beside: string | undefined): FromTasks {
  if (beside)
    throw new UserError(
      `${beside}: must be left out with drest, which learns from shutdown.tasks, got some; leave it out, or choose another objective`,
    )
  if (shutdown?.tasks === undefined)
    throw new UserError('shutdown.tasks: must name a file of tasks for drest, got none; add shutdown: { tasks: FILE }')
  const { tasks, tasksPerRound = 64, rollout } = shutdown
  return { kind: 'tasks', file: tasks, perRound: tasksPerRound, ...(rollout ? { rollout } : {}) }
}

function onPolicyOf(given: Extract<ParsedRecipe['preferences'], { prompts: unknown }>): OnPolicy {
  const { judge, order, prompts, perPrompt, compare, trainOn, sdPenalty, promptsPerRound, rollout, ...sampling } = given
  const asked = {
    ...{ prompts, perPrompt, compare, trainOn, promptsPerRound },
    ...(sdPenalty === undefined ? {} : { sdPenalty }),
    ...(rollout ? { rollout } : {}),
  }
  return { kind: 'onPolicy', ...asked, judge: judgeOf(judge!), order, sampling: withoutUndefined(sampling) }
}

/** A reward that is learned from whoever casts votes. */
function learnedOf({ learn }: Extract<NonNullable<ParsedRecipe['reward']>, { learn: unknown }>): LearnedReward {
  const judge = judgeOf(learn.judge)
  if (judge.kind === 'byGoals' || judge.kind === 'votes')
    throw new UserError(
      `reward.learn.judge: must vote on what the policy says, got ${judge.kind === 'votes' ? 'a file of votes' : 'goals'}; ${judge.kind === 'votes' ? 'learn a reward model from the file with innate train, and name its folder' : 'write them under reward.goals'}`,
    )
  return { learn: { ...learn, judge } }
}

function judgeOf(given: NonNullable<Extract<ParsedRecipe['preferences'], { prompts: unknown }>['judge']>): Judge | JudgeByGoals {
  if ('command' in given) return commandJudge(given.command, { keep: given.keep })
  if ('endpoint' in given) return endpointJudge(given.endpoint)
  if ('model' in given) return modelJudge(given)
  if ('people' in given) return people(given.people)
  if ('goals' in given) return judgeByGoals(given.goals)
  if ('kind' in given) return given
  return votesFile(given.votes)
}
