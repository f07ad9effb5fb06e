import { type AuditTarget, type DataStream, openTarget } from '../audits/index.ts'
import { readSafetensors } from '../checkpoints/index.ts'
import { UserError } from '../graph/index.ts'
import { type Example, keepGaps, type PairObjective } from '../objectives/index.ts'
import type { FromTasks, OnPolicy, Recipe } from '../recipe/recipe.ts'
import type { FromReward } from '../recipe/rewarded.ts'
import { openRun, roundFolder } from '../runs/index.ts'
import { declarationsOf } from './audit-training.ts'
import { inFolder } from './in-folder.ts'
import { manifestOf } from './manifest.ts'
import { type Models, openModels } from './open-models.ts'
import { openRewardedParts } from './open-rewarded.ts'
import { openSource } from './open-source.ts'
import { openRounds } from './rounds.ts'
import { openShutdown } from './shutdown-held-out.ts'
import { freshRollout } from './supply-rollouts.ts'
import { taskSupply } from './supply-tasks.ts'
import { differsFrom } from './take-run.ts'
import { trainingParts } from './train-into.ts'
import { firstRollout, streamOf } from './training-of-round.ts'
import type { Watch } from './watch.ts'

/** How a recipe is opened to be audited. */
export interface OpenAuditOptions {
  /** How many of the first steps are audited. */
  readonly steps: number
  /** A run of the recipe: its newest parameters are audited, and not those it began with. */
  readonly from?: string | undefined
  readonly watch?: Watch
  readonly signal?: AbortSignal
}

/**
 * Opens the first steps of a recipe's training to be audited, or further ones from where a run of it is. What `align` collects on the way is
 * collected as it does: the first rollout's pairs, with their votes.
 *
 * throws  UserError for what is wrong with recipe or files, for a run of another recipe, and for one without a checkpoint
 */
export async function openAudit(given: Recipe, { steps, from, watch = {}, signal }: OpenAuditOptions): Promise<AuditTarget> {
  const recipe = given.gap ? { ...given, objective: keepGaps(given.objective as PairObjective, given.gap.weight) } : given
  const models = await openModels(recipe, watch, { signal })
  try {
    const { examples, data, round } = await examplesOf(recipe, models, watch, steps, signal)
    if (from !== undefined) await goTo(from, recipe, models)
    const target = openTarget(trainingParts(recipe, models, examples, round), { steps, data, declarations: declarationsOf(recipe) })
    return {
      ...target,
      async close() {
        await target.close()
        await models.engine.close()
      },
    }
  } catch (error) {
    await models.engine.close()
    throw error
  }
}

/** What the first steps train on, and where it comes from. */
async function examplesOf(
  recipe: Recipe,
  models: Models,
  watch: Watch,
  steps: number,
  signal: AbortSignal | undefined,
): Promise<{ examples: readonly Example[]; data: DataStream; round: number }> {
  const { preferences } = recipe
  if (preferences.kind === 'onPolicy') return collected(recipe, preferences, models, watch, signal)
  if (preferences.kind === 'tasks') return answered(recipe, preferences, models, watch)
  if (preferences.kind === 'rewarded') return rewardedRollout(recipe, preferences, models, signal)
  const { examples } = await (await openSource(preferences, recipe, models, watch)).examples(steps)
  return { examples, data: { kind: 'fixed' }, round: 0 }
}

/** The first rollout's pairs, and further ones by the policy as it then is. */
async function collected(recipe: Recipe, preferences: OnPolicy, models: Models, watch: Watch, signal: AbortSignal | undefined) {
  const rounds = await openRounds(recipe, preferences, models, watch, signal ? { signal } : {})
  return { examples: await inFolder(recipe, models, (run) => firstRollout(rounds, run)), data: streamOf(rounds), round: 1 }
}

/** The first group of tasks, answered by the policy, and further ones. */
async function answered(recipe: Recipe, preferences: FromTasks, models: Models, watch: Watch) {
  const held = await openShutdown(recipe, models, watch)
  const supply = await taskSupply(recipe, preferences, held, models, watch)
  return { examples: await inFolder(recipe, models, (run) => supply.group(run, 1, 1)), data: supply.stream, round: 0 }
}

/** The first rollout, and further ones by the policy as it then is. */
async function rewardedRollout(recipe: Recipe, preferences: FromReward, models: Models, signal: AbortSignal | undefined) {
  const rewarded = await openRewardedParts(recipe, preferences, models, {}, signal ? { signal } : {})
  const draw = (seed: number) => inFolder(recipe, models, (run) => freshRollout({ ...rewarded }, run, seed))
  return {
    examples: await draw(recipe.seed),
    data: { kind: 'adaptive' as const, draw, eosIds: models.checkpoint.eosIds },
    round: 0,
  }
}

/** Puts the newest parameters of a run in the place of those it began with. */
async function goTo(folder: string, recipe: Recipe, models: Models): Promise<void> {
  const { trainee } = models
  const run = await openRun(folder)
  const { kind } = run.manifest
  const differs = differsFrom(run.manifest, await manifestOf(recipe, kind, models, [], 'innate audit'))
  if (differs)
    throw new UserError(`${folder}: must be a run of this recipe, got one with another ${differs}; give the recipe that it began with`)
  const rounds = Array.from({ length: 1000 }, (_, i) => roundFolder(i + 1)).filter((name) => run.has(name))
  const states = ['checkpoint', ...rounds.map((name) => `${name}/checkpoint`)].map((name) => `${name}/state.safetensors`)
  const state = states.reverse().find((name) => run.has(name))
  const model = [...rounds.map((name) => `${name}/model`).reverse(), 'model'].find((name) => run.has(name))
  if (model && (kind === 'train' || !state)) return trainee.load(await run.path(model))
  if (!state) throw new UserError(`${folder}: must hold a checkpoint or a model, got neither; let the run take a step, or audit its recipe`)
  const tensors = await readSafetensors(await run.path(state))
  const { engine, given } = trainee.policy
  for (const [name, value] of tensors) if (name.startsWith('param.')) await engine.write(given[name.slice(6)]!, value)
}
