import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Asked, type AuditTarget, type DataStream, openTarget } from '../audits/index.ts'
import { readSafetensors } from '../checkpoints/index.ts'
import { askJudge } from '../collect/ask-judge.ts'
import type { Judge } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import { type Example, keepGaps, type PairObjective } from '../objectives/index.ts'
import { seedFor } from '../random/index.ts'
import type { FromTasks, OnPolicy, Recipe } from '../recipe/recipe.ts'
import { createRun, openRun, type Run, roundFolder } from '../runs/index.ts'
import { collectPairs } from './collect-pairs.ts'
import { labelRounds } from './label-rounds.ts'
import { manifestOf } from './manifest.ts'
import { type Models, openModels } from './open-models.ts'
import { openRounds, type Rounds, readGoals, scaleOfRounds } from './rounds.ts'
import { openShutdown } from './shutdown-held-out.ts'
import { taskSupply } from './supply-tasks.ts'
import { differsFrom } from './take-run.ts'
import { orderOf } from './train-into.ts'
import { openPreferences } from './train-run.ts'
import { openTexts } from './train-texts.ts'
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
    const target = openTarget(
      {
        ...recipe.train,
        ...orderOf(recipe, round),
        policy: models.trainee.policy,
        objective: recipe.objective,
        ...(recipe.loss ? { loss: recipe.loss } : {}),
        examples,
        referenceOf: models.reference.logps,
      },
      { steps, data, declarations: [...(recipe.audit?.declare ?? []), ...ofMethod(recipe)] },
    )
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

/** What a method that a recipe chooses is defined to hold constant. */
function ofMethod({ train }: Recipe): AuditTarget['declarations'] {
  const reason = 'DoRA holds the norm of each row constant (Liu et al. 2024, arXiv:2402.09353, section 4.3)'
  return train.lora?.dora ? [{ tensor: 'lora.*', as: 'stop', reason }] : []
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
  const open =
    preferences.kind === 'texts' ? openTexts(preferences, recipe, models, watch) : openPreferences(preferences, recipe, models, watch)
  const { examples } = await (await open).examples(steps)
  return { examples, data: { kind: 'fixed' }, round: 0 }
}

/** The first rollout's pairs, and further ones by the policy as it then is. */
async function collected(recipe: Recipe, preferences: OnPolicy, models: Models, watch: Watch, signal: AbortSignal | undefined) {
  const rounds = await openRounds(recipe, preferences, models, watch, signal)
  const collect = (of: Rounds) =>
    inFolder(recipe, models, async (run) => {
      await collectPairs(of, run, 1, 1)
      return (await labelRounds(of)).examples.flat()
    })
  const draw = (seed: number) =>
    collect({
      ...rounds,
      recipe: { ...recipe, seed: seedFor(seed, 'draw') },
      models: { ...models, startsAsReference: false },
      voted: [],
    })
  const examples = await collect(rounds)
  const { judge } = scaleOfRounds(rounds)
  const { referencePolicy, checkpoint } = models
  const data: DataStream = {
    ...{ kind: 'adaptive', draw, reference: referencePolicy, eosIds: checkpoint.eosIds },
    ...(judge.kind === 'votes' ? {} : { prefer: (pairs, votesSeed) => votesFor(rounds, judge, pairs, votesSeed) }),
  }
  return { examples, data, round: 1 }
}

/** The share of the judge's votes for the first completion of each pair. */
async function votesFor(rounds: Rounds, judge: Judge, pairs: readonly Asked[], seed: number): Promise<number[]> {
  const { tokenizer, eosIds } = rounds.models.checkpoint
  const side = (ids: readonly number[]) => ({ ids: [...ids], ended: eosIds.includes(ids.at(-1)!) })
  const rows = pairs.map(({ prompt, a, b }) => ({ prompt: tokenizer.decode(prompt), promptIds: [...prompt], a: side(a), b: side(b) }))
  await readGoals(rounds, rows)
  const asked = rows.map((row) => ({ a: rounds.decodeSide(row, 'a'), b: rounds.decodeSide(row, 'b') }))
  const answers = await askJudge(judge, asked, { seed, order: rounds.preferences.order })
  return answers.map(({ votes: [first, second] }) => first / (first + second))
}

/** The first group of tasks, answered by the policy. */
async function answered(recipe: Recipe, preferences: FromTasks, models: Models, watch: Watch) {
  const held = await openShutdown(recipe, models, watch)
  const supply = (seed: number) => taskSupply({ ...recipe, seed }, preferences, held, models, watch)
  const group = (seed: number) => inFolder(recipe, models, async (run) => (await supply(seed)).group(run, 1, 1))
  const { eosIds } = models.checkpoint
  const data: DataStream = { kind: 'adaptive', draw: (seed) => group(seedFor(seed, 'draw')), eosIds }
  return { examples: await group(recipe.seed), data, round: 0 }
}

/** Something that keeps its rows in a run folder, in one that goes away. */
async function inFolder<T>(recipe: Recipe, models: Models, make: (run: Run) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'innate-audit-'))
  try {
    const run = await createRun(folder, await manifestOf(recipe, 'align', models, [], 'innate audit'))
    try {
      return await make(run)
    } finally {
      await run.close()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
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
