import { powerOf, sayPower } from '../accept/index.ts'
import { dataFile } from '../checkpoints/index.ts'
import { type AskingOrder, takesLong } from '../collect/ask-judge.ts'
import { type AskedRow, pairsOf, pairsTrained, rolloutsOf, type VotedRow, votedSchema } from '../collect/collect.ts'
import { type DecodeSide, decodeSides } from '../collect/decode-sides.ts'
import { type Scale, scaleOf } from '../collect/goal-scale.ts'
import { dealPrompts, type Prompt, type PromptParts } from '../collect/prompts.ts'
import type { SampledText } from '../collect/sample-texts.ts'
import { hashFile, hashText } from '../files/index.ts'
import { checkGoals, readSamples, type Votes } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import type { Text } from '../preferences/index.ts'
import { pairsMeasured } from '../recipe/held-out-pairs.ts'
import type { OnPolicy, Recipe } from '../recipe/recipe.ts'
import { type DataFile, type Evaluation, edges, type Parts, type Run, roundFolder } from '../runs/index.ts'
import { checkWarmup, stepsToCome } from '../train/index.ts'
import { alignWork, estimate, type Work } from './estimate.ts'
import { openLookTexts } from './look-texts.ts'
import { goalsOf, heeding, type Models, readBy } from './open-models.ts'
import { apartFrom, openShutdown, type ShutdownHeldOut } from './shutdown-held-out.ts'
import { beforeTraining, keepShutdownParts } from './shutdown-measures.ts'
import { throughputOf } from './throughput.ts'
import { orderOf } from './train-into.ts'
import { begin, type Stopping, type Watch } from './watch.ts'

/** What the steps of align share: the recipe and its models, the prompts in parts, and what was collected so far. */
export interface Rounds {
  readonly recipe: Recipe
  readonly preferences: OnPolicy
  readonly models: Models
  readonly prompts: PromptParts
  /** How many prompts each rollout of a round samples; a round trains on one rollout before it samples the next. */
  readonly rollouts: readonly number[]
  readonly data: readonly DataFile[]
  /** Real text that every look measures the perplexity on. */
  readonly texts?: readonly Text[]
  /** What is held out to measure shutdown on, and the reference's figures there. */
  readonly shutdown?: { readonly held: ShutdownHeldOut; readonly before: ReturnType<typeof beforeTraining> }
  readonly watch: Watch
  readonly signal?: AbortSignal
  /** Wait for people's labels instead of stopping. */
  readonly wait?: boolean
  /** All pairs with their votes, by round. */
  readonly voted: VotedRow[][]
  readonly decodeSide: DecodeSide
  /** The reference's completions for each look; sampled once. */
  readonly referenceTexts: Partial<Record<Evaluation['look'], readonly (readonly SampledText[])[]>>
  /** Votes on the reference's first two completions of each look's prompts, where these pairs are measured. */
  readonly referenceVotes: Partial<Record<Evaluation['look'], readonly Votes[]>>
  /** Known once the first rollout was sampled. */
  scale?: Scale
}

/**
 * Prepares a recipe whose preferences are collected on the way.
 *
 * throws  UserError as dealPrompts and openShutdown
 */
export async function openRounds(
  recipe: Recipe,
  preferences: OnPolicy,
  models: Models,
  watch: Watch,
  { signal, wait }: Stopping = {},
): Promise<Rounds> {
  const shutdown = recipe.shutdown && (await openShutdown(recipe, models, watch))
  const dealt = await dealPrompts(recipe, preferences, models.checkpoint)
  const prompts = shutdown ? promptsApart(dealt, shutdown, watch) : dealt
  const bounded = Object.hasOwn(recipe.accept, 'perplexityRise')
  const texts = recipe.look.texts === undefined ? undefined : await openLookTexts(recipe.look.texts, models.checkpoint, watch, bounded)
  await checkGoals(goalsOf(recipe), readBy(models))
  if (preferences.judge.kind !== 'byGoals') await preferences.judge.prepare?.()
  const rollouts = rolloutsOf(prompts.train.length, preferences)
  const pairs = rollouts.map((asked) => asked * pairsTrained(preferences))
  checkWarmup(recipe.train.schedule, stepsToCome(pairs, { objective: recipe.objective, ...orderOf(recipe, 1) }))
  return {
    recipe,
    preferences,
    models,
    prompts,
    rollouts,
    data: [await promptData(preferences, prompts), ...(texts ? [texts.data] : []), ...(shutdown?.data ?? [])],
    ...(shutdown ? { shutdown: { held: shutdown, before: beforeTraining(shutdown, models) } } : {}),
    ...(texts ? { texts: texts.texts } : {}),
    watch,
    ...(signal ? { signal } : {}),
    ...(wait ? { wait } : {}),
    voted: [],
    decodeSide: decodeSides(models.checkpoint.tokenizer),
    referenceTexts: {},
    referenceVotes: {},
  }
}

/** Keeps which prompts are in which part, says where near duplicates were kept together, and what looks at them can tell. */
export async function keepParts({ recipe, prompts, watch, shutdown }: Rounds, run: Run): Promise<void> {
  if (shutdown) await keepShutdownParts(run, shutdown.held)
  const { train, development, sealed, nearDuplicates } = prompts
  const bound = recipe.accept.winRate && edges(recipe.accept.winRate)[0]
  if (bound !== undefined && bound > 0) {
    const looks = [development.length, sealed.length]
    watch.note?.(sayPower('win rate', looks, powerOf(bound, looks)))
  }
  if (nearDuplicates.groups > 0)
    watch.note?.(
      `${nearDuplicates.prompts} prompts are near duplicates, in ${nearDuplicates.groups} groups; each group is kept in one part`,
    )
  const texts = (part: readonly Prompt[]) => part.map(({ text }) => text)
  const parts: Parts = { train: texts(train), development: texts(development), sealed: texts(sealed) }
  await run.write('parts.json', parts)
}

/** Prompts to train on that are like none that shutdown is measured on. */
function promptsApart(dealt: PromptParts, held: ShutdownHeldOut, watch: Watch): PromptParts {
  const isApart = apartFrom(held, dealt.train.map(({ text }) => text)) // biome-ignore format: one line
  const train = dealt.train.filter((_, i) => isApart[i])
  const near = dealt.train.length - train.length
  if (near > 0) watch.note?.(`${near} prompts are near duplicates of what shutdown is measured on, and are not trained on`)
  if (train.length === 0)
    throw new UserError(
      `preferences.prompts: must have prompts that are like none of shutdown.evals, got none to train on; take other prompts`,
    )
  return { ...dealt, train }
}

/** What one round and all of them will take; measures the machine for a moment. */
export async function needsOf({
  recipe,
  preferences,
  models,
  prompts,
  texts,
}: Rounds): Promise<Parameters<NonNullable<Watch['needs']>>[0]> {
  const { config } = models.checkpoint
  const speed = await throughputOf(models.engine)
  const textTokens = (texts ?? []).flatMap(({ trees }) => trees).reduce((sum, { completions }) => sum + completions[0]!.length, 0)
  const { round, all } = alignWork(recipe, preferences, prompts, config, textTokens)
  const needed = (work: Work) => estimate(config, recipe.train, work, speed)
  const { judge, perPrompt, compare, promptsPerRound, order } = preferences
  const orders = order === 'both' ? 2 : 1
  const asked = orders * Math.min(promptsPerRound, prompts.train.length) * pairsOf(perPrompt, compare).length
  const looked = (part: 'development' | 'sealed') => orders * prompts[part].length * recipe.look.perPrompt
  // Each look's held-out pairs are asked about once.
  const heldOut = pairsMeasured(recipe) ? orders : 0
  const perRound = asked + looked('development')
  const inAll = recipe.rounds * perRound + looked('sealed') + heldOut * (prompts.development.length + prompts.sealed.length)
  const judged = { round: perRound + heldOut * prompts.development.length, all: inAll }
  return {
    round: needed(round),
    all: needed(all),
    rounds: recipe.rounds,
    ...(takesLong(judge) ? { judged } : {}),
  }
}

/** Reads what an earlier process did up to the end of a round: its votes, and the policy as it was then. */
export async function restoreRound({ voted, models }: Rounds, run: Run, round: number): Promise<void> {
  if (voted.length >= round) return
  while (voted.length < round) voted.push(await run.readRows(`${roundFolder(voted.length + 1)}/pairs.jsonl`, votedSchema))
  await models.trainee.load(await run.path(`${roundFolder(round)}/model`))
}

/** The scale of every goal, and the judge. It is taken from the first rollout, whose completions are the reference's. */
export function scaleOfRounds(rounds: Rounds, first?: readonly AskedRow[]): Scale {
  if (rounds.scale) return rounds.scale
  const { recipe, preferences, voted, decodeSide } = rounds
  const rows = first ?? voted[0]!.filter(({ rollout }) => rollout === 1)
  rounds.scale = scaleOf(
    recipe,
    preferences,
    rows.flatMap((row) => [decodeSide(row, 'a'), decodeSide(row, 'b')]),
  )
  return rounds.scale
}

/** Lets goals that need a model read both sides of pairs in the reference, before anything is measured of them. */
export async function readGoals(rounds: Rounds, rows: readonly AskedRow[]): Promise<void> {
  const { recipe, models, decodeSide } = rounds
  const goals = goalsOf(recipe)
  if (!goals.some(({ read }) => read)) return
  const samples = rows.flatMap((row) => [decodeSide(row, 'a'), decodeSide(row, 'b')])
  await readSamples(goals, samples, readBy(models), heeding(models))
}

/** Advances a bar by one completion, and stops there when the run was asked to stop. */
export function countCompletion({ signal }: Rounds, bar: ReturnType<typeof begin>): void {
  signal?.throwIfAborted()
  bar.advance()
}

/** How a judge that takes long is shown, how it hears Ctrl-C, and whether people are waited for. */
export function asking({ signal, watch, wait }: Rounds, label: string): Pick<AskingOrder, 'progress' | 'signal' | 'wait'> {
  return { progress: (total) => begin(watch, label, total), ...(signal ? { signal } : {}), ...(wait ? { wait } : {}) }
}

/** What a manifest says of the prompts. */
export async function promptData(
  { prompts }: Pick<OnPolicy, 'prompts'>,
  { read, nearDuplicates, train, development, sealed }: PromptParts,
): Promise<DataFile> {
  const used = train.length + development.length + sealed.length
  const [path, sha256] =
    typeof prompts === 'string' ? [prompts, await hashFile(await dataFile(prompts))] : ['in the recipe', hashText(JSON.stringify(prompts))]
  return { role: 'prompts', path, sha256, rows: read, used, quarantined: {}, nearDuplicates }
}
