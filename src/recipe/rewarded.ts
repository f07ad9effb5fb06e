import { z } from 'zod'
import type { Goal } from '../goals/index.ts'
import { isGaussian, readyGoals } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import { type Objective, objectives, type RolloutObjective } from '../objectives/index.ts'
import type { Reward } from '../rewards/index.ts'
import type { LearnedReward } from './learned-reward.ts'
import type { Recipe } from './recipe.ts'
import { didYouMean, recipeError } from './recipe-error.ts'
import { judgeSchema, type ParsedRecipe, type RecipeInput } from './schema.ts'
import type { InlinePrompt } from './sources.ts'

/** What a policy's completions are scored by: a reward, or how one is opened. */
export type RewardSource =
  | Reward
  | { readonly goals: Readonly<Record<string, number>> }
  | { readonly folder: string }
  | LearnedReward
  | { readonly command: string; readonly timeoutSeconds?: number; readonly tries?: number }

/** The policy's own completions, sampled round after round, each with its reward. */
export interface FromReward {
  readonly kind: 'rewarded'
  readonly reward: RewardSource
  /** A file of prompts, or the prompts themselves, texts or talks. */
  readonly prompts: string | readonly InlinePrompt[]
  /** Prompts sampled in each round; all training prompts when there are fewer. */
  readonly promptsPerRound: number
  /** Prompts sampled at a time; as many as one step takes, unless told. */
  readonly rollout: number
  readonly sampling: { readonly maxTokens?: number }
}

/** Rounds in which the reward rises and gold falls before a run is ended, unless told. */
export const usualRunaway = 2

/** What may stand under `preferences` beside a reward. */
const fields = ['prompts', 'perPrompt', 'promptsPerRound', 'rollout', 'maxTokens', 'temperature']

/**
 * The prompts that a policy is sampled and rewarded on.
 *
 * throws  UserError for fields that are about votes, or that would make the sampler another policy than the one that is trained
 */
export function rewardedOf(
  reward: RewardSource,
  { preferences: written }: Pick<RecipeInput, 'preferences'>,
  given: { readonly prompts: FromReward['prompts']; promptsPerRound: number; rollout?: number | undefined; maxTokens?: number | undefined },
  objective: Objective,
  batch: number,
): FromReward {
  const said = written as Readonly<Record<string, unknown>>
  const { group = 1 } = objective as RolloutObjective
  if (!policyGradients().includes(objective.name))
    throw new UserError(
      `objective.name: must be a policy-gradient objective for a reward, got ${objective.name}; choose from ${policyGradients().join(', ')}`,
    )
  const strange = Object.keys(said).find((field) => said[field] !== undefined && !fields.includes(field))
  if (strange !== undefined)
    throw new UserError(
      `preferences.${strange}: must be left out with a reward, which scores completions one by one as they are sampled, got ${JSON.stringify(said[strange])?.slice(0, 60)}; leave it out`,
    )
  if (said.perPrompt !== undefined && said.perPrompt !== group)
    throw new UserError(
      `preferences.perPrompt: must be objective.group with a reward, got ${said.perPrompt} and ${group}; leave it out, or say "group": ${said.perPrompt} in the objective`,
    )
  if (said.temperature !== undefined && said.temperature !== 1)
    throw new UserError(
      `preferences.temperature: must be 1 with a reward, since the policy that samples is the one that is trained, got ${said.temperature}; leave it out`,
    )
  const { prompts, promptsPerRound, rollout = Math.max(1, Math.floor(batch / group)), maxTokens } = given
  return { kind: 'rewarded', reward, prompts, promptsPerRound, rollout, sampling: maxTokens === undefined ? {} : { maxTokens } }
}

/**
 * What fields of a recipe with a reward say of each other.
 *
 * throws  UserError naming the field
 */
export function checkRewarded(made: Recipe, { reward }: FromReward): void {
  const out = (field: string, why: string) => {
    throw new UserError(`${field}: must be left out with a reward, got some; ${why}`)
  }
  for (const field of ['gap', 'tiltReference'] as const) if (made[field]) out(field, 'it is about pairs and their votes')
  if (made.fresh) out('fresh', 'train fresh parameters on texts first, in a recipe of their own')
  if (made.shutdown) out('shutdown', 'measure it with: innate shutdown llm, on the model that the run gives')
  if (made.train.batchGrowth) out('train.batchGrowth', 'each round has as many completions')
  if (made.train.lora?.dropout) out('train.lora.dropout', 'the sampler has none, so the policy that is trained would be another one')
  const { group = 1 } = made.objective as RolloutObjective
  if (made.train.batch % group !== 0)
    throw new UserError(
      `train.batch: must be a multiple of objective.group ${group}, since a step takes whole groups of completions, got ${made.train.batch}; say ${Math.ceil(made.train.batch / group) * group}`,
    )
  if ('goals' in reward) goalsOfReward(made, reward.goals)
  if ('learn' in reward && reward.learn.prior) {
    if (!made.prior) throw new UserError('reward.learn.prior: must be left out where there is no prior, got true; state one under prior')
    if (!isGaussian(made.prior.law))
      throw new UserError(
        'reward.learn.prior: must be left out with a prior that has signs or a Laplace form, got true; a head is learned under a Gaussian, so leave signs and form out of the prior',
      )
  }
}

/**
 * The goals that a reward names, with their weights: the prior's by their names, or ready-made ones.
 *
 * throws  UserError for a name that is neither, and where none weighs anything
 */
export function goalsOfReward(
  { prior }: Pick<Recipe, 'prior'>,
  weights: Readonly<Record<string, number>>,
): { readonly goals: readonly Goal[]; readonly weights: readonly number[] } {
  const own = prior?.goals ?? []
  const names = Object.keys(weights)
  const known = [...new Set([...own.map(({ name }) => name), ...Object.keys(readyGoals)])]
  const strange = names.find((name) => !known.includes(name))
  if (strange !== undefined)
    throw new UserError(`reward.goals: must name goals (${known.join(', ')}), got ${strange}${didYouMean(strange, known)}`)
  if (!names.some((name) => weights[name] !== 0))
    throw new UserError(
      `reward.goals: must weigh at least one goal, got ${names.length === 0 ? 'none' : 'only weights of 0'}; for example { "kind": 1 }`,
    )
  return {
    goals: names.map((name) => own.find((goal) => goal.name === name) ?? readyGoals[name as keyof typeof readyGoals]),
    weights: names.map((name) => weights[name]!),
  }
}

/** Whether a recipe trains on completions that the policy writes as it goes. */
export function samples({ preferences }: Pick<Recipe, 'preferences'>): boolean {
  return preferences.kind === 'onPolicy' || preferences.kind === 'rewarded'
}

/**
 * Completions must be judged, or rewarded.
 *
 * throws  UserError that says what a judge may be
 */
export function checkJudged(input: RecipeInput, { preferences, reward }: ParsedRecipe): void {
  if (reward || !preferences || !('prompts' in preferences) || preferences.judge) return
  const judged = z.looseObject({ preferences: z.looseObject({ judge: judgeSchema }) }).safeParse(input)
  if (!judged.success) throw recipeError(input, judged.error)
}

/** The objectives that learn from completions with rewards. */
export function policyGradients(): string[] {
  return Object.values(objectives)
    .map((make) => (make as () => Objective)())
    .flatMap(({ name, kind }) => (kind.reads.includes('rollouts') && !kind.scores ? [name] : []))
}
