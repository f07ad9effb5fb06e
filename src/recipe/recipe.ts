import type { StopRules } from '../accept/index.ts'
import type { Declaration } from '../audits/declaration.ts'
import { type Goal, type GoalPrior, goalPrior } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import type { Lora } from '../models/index.ts'
import { type CustomLoss, keepGaps, type Objective, objectiveFrom, objectives, type PairObjective } from '../objectives/index.ts'
import type { Edit, EditOptions } from '../policy/index.ts'
import type { Bound } from '../runs/index.ts'
import { type Course, type Optimizer, optimizerFrom, scheduleFrom } from '../train/index.ts'
import { checkBounds, measurable } from './bounds.ts'
import { goalFrom } from './goal-schema.ts'
import { goldAgainst } from './gold-against.ts'
import { checkPriorUse, kappaOf } from './prior-use.ts'
import type { Reading } from './reading.ts'
import { didYouMean, recipeError } from './recipe-error.ts'
import { checkJudged, checkRewarded, samples, usualRunaway } from './rewarded.ts'
import { checkRollouts, readsRollouts } from './rollouts-use.ts'
import { type ParsedRecipe, type RecipeInput, recipeSchema } from './schema.ts'
import { checkShutdown, filesOf, type ShutdownFiles } from './shutdown.ts'
import { type OnPolicy, type Source, sourceOf } from './sources.ts'
import { withoutUndefined } from './without-undefined.ts'

export type { RecipeInput } from './schema.ts'
export {
  type FromFile,
  type FromTasks,
  type FromTexts,
  type InlinePrompt,
  type JudgeByGoals,
  judgeByGoals,
  type OnPolicy,
} from './sources.ts'

/** What the looks look at. */
export interface Looks {
  /** Prompts of each look after a round. */
  readonly development: number
  /** Prompts of the one look at the end. */
  readonly sealed: number
  /** Completions of each prompt on both sides. */
  readonly perPrompt: number
  /** How many of the prompts the models score, for both KLs; all unless told. */
  readonly scored?: number
  /** A file of real text, on which the rise of the perplexity is measured. */
  readonly texts?: string
}

/** A recipe, read and checked: the five steps in order. */
export interface Recipe {
  readonly model: string
  /** Begin with fresh parameters instead of the model's. */
  readonly fresh?: boolean
  /** What is done to values inside the model, and where it holds. */
  readonly edit?: RecipeEdit
  /** 1. */
  readonly prior?: GoalPrior
  /** How many votes the posterior's opinion of a pair is worth beside the pair's own votes. */
  readonly kappa: number
  /** Whether a loss sees log π0(y) + m0·φ(y)/β, with the prior's mean weights m0, in the place of the reference's log-probability. */
  readonly tiltReference?: true
  /** How strongly a pair without a preference keeps its log-ratio where the reference has it. */
  readonly gap?: { readonly weight: number }
  readonly preferences: Source
  /** Files of what is measured of shutdown. */
  readonly shutdown?: ShutdownFiles
  /** 2. */
  readonly objective: Objective
  /** 3. */
  readonly loss?: CustomLoss
  /** 4. */
  readonly train: TrainSettings
  /** 5. */
  readonly accept: Readonly<Record<string, Bound>>
  readonly gold?: Goal
  readonly look: Looks
  readonly rounds: number
  /** How many rounds' models are kept: the newest, and the best before it. */
  readonly keepRounds: number
  readonly stop: Omit<StopRules, 'rounds' | 'gold'>
  /** What is read inside of the model before and after, besides how far it moved; nothing at all where false. */
  readonly inside?: readonly Reading[] | false
  readonly seed: number
  /** What of the training is declared to its audits, each with a reason; and every how many steps audits are taken on the way. */
  readonly audit?: { readonly declare: readonly Declaration[]; readonly every?: number }
  readonly run?: string
  /** Files that its code names beside those of its fields, such as probes; a loader says which. */
  readonly files?: readonly string[]
}

/** An edit of the model, a function or files, and which of the policy that is trained, the reference and the looks at the policy are under it. */
export type RecipeEdit = EditHolds & ((EditOptions & { readonly apply: Edit }) | { readonly files: readonly string[] })

interface EditHolds {
  readonly policy: boolean
  readonly reference: boolean
  readonly looks: boolean
}

export interface TrainSettings extends Course {
  readonly tokenBudget: number
  /** Whether a step keeps what is inside one block at a time, and computes the rest again on the way back; see blockwiseFor where it is left out. */
  readonly blockwise?: boolean | undefined
  /** In round n, which has n times the pairs, a step takes batch · n^batchGrowth: more steps at 0, the default, as many steps at 1. */
  readonly batchGrowth?: number
  readonly lora?: Omit<Lora, 'seed'>
  /** Whether the adapters are an edit of stated form, which is kept as a file of edits. */
  readonly edit?: TrainedEdit
  readonly checkpointSeconds: number
}

/** An edit that is all that is trained: its rank, the matrices it changes, and the most KL from the reference that is accepted, nats per token. */
export interface TrainedEdit {
  readonly rank: number
  readonly sites: readonly string[]
  readonly controlKl?: number
}

const checked = Symbol('checked')

/**
 * Checks a recipe and fills in what was left out. The fields stand in the order of the five steps.
 *
 * throws  UserError naming the field, what it may be, and the nearest name where one is misspelt
 */
export function recipe(input: RecipeInput): Recipe {
  if (typeof input === 'object' && input !== null && checked in input) return input as unknown as Recipe
  const parsed = recipeSchema.safeParse(withCleanAudit(input))
  if (!parsed.success) throw recipeError(input, parsed.error)
  checkJudged(input, parsed.data)
  const {
    prior,
    gap,
    preferences: _,
    reward,
    texts,
    shutdown,
    objective,
    train,
    loss,
    gold,
    run,
    look,
    stop,
    fresh,
    edit,
    inside,
    audit,
    kappa,
    tiltReference,
    ...rest
  } = parsed.data
  const learned = objectiveOf(objective ?? { name: texts ? 'nextToken' : 'dpo' })
  const made: Recipe = {
    ...rest,
    ...(fresh ? { fresh } : {}),
    ...(edit ? { edit: editOf(edit) } : {}),
    ...(prior ? { prior: priorOf(prior) } : {}),
    kappa: kappaOf(input, kappa),
    ...(tiltReference ? { tiltReference } : {}),
    ...(gap ? { gap } : {}),
    preferences: sourceOf(parsed.data, learned, input),
    ...(shutdown ? { shutdown: filesOf(shutdown) } : {}),
    objective: learned,
    ...(loss ? { loss } : {}),
    train: trainOf(train, rest.seed),
    ...(gold ? { gold: goalFrom(gold) } : {}),
    look: withoutUndefined(look),
    stop: { ...(gold && reward ? { runaway: usualRunaway } : {}), ...withoutUndefined(stop) },
    ...(inside === undefined ? {} : { inside }),
    ...(audit ? { audit: withoutUndefined(audit) } : {}),
    ...(run ? { run } : {}),
    ...(train.edit?.controlKl === undefined ? {} : { accept: { ...rest.accept, forwardKl: { atMost: train.edit.controlKl } } }),
  }
  checkTrainedEdit(made, parsed.data.accept)
  if (shutdown) checkShutdown(made, shutdown)
  if (made.preferences.kind === 'onPolicy') checkOnPolicy(made, made.preferences)
  else if (made.preferences.kind === 'rewarded') checkRewarded(made, made.preferences)
  else if (readsRollouts(made)) checkRollouts(made)
  else if (made.preferences.kind !== 'tasks') checkKinds(made)
  checkPriorUse(made)
  if (samples(made) || made.shutdown) checkBounds(made)
  return Object.defineProperty(made, checked, { value: input })
}

/** A recipe that demands a clean audit, with that as a bound. */
function withCleanAudit(input: RecipeInput): unknown {
  const { accept } = Object(input) as Partial<RecipeInput>
  return Object(accept).audit === 'clean' ? { ...input, accept: { ...accept, audit: { atLeast: 1 } } } : input
}

/** An edit's budget is a bound on what completions of the reference cost, so there must be such, and no second bound. */
function checkTrainedEdit({ train: { edit, lora }, objective, preferences }: Recipe, accept: ParsedRecipe['accept']) {
  if (!edit) return
  if (objective.sync && lora)
    throw new UserError('objective.sync: must go with a full training, got train.edit; part of a product of factors is not a product of parts: leave one of them out') // biome-ignore format: one line
  if (edit.controlKl === undefined) return
  if (!samples({ preferences }))
    throw new UserError('train.edit.controlKl: must be left out where no completions are drawn, got a budget; leave it out, or give preferences over prompts') // biome-ignore format: one line
  if (accept.forwardKl)
    throw new UserError('accept.forwardKl: must be left out with train.edit.controlKl, which is that bound, got both; leave one of them out') // biome-ignore format: one line
}

/** A checked recipe as it was written; any other value as it is. */
export function inputOf(given: RecipeInput | Recipe): RecipeInput {
  return (typeof given === 'object' && given !== null && checked in given ? given[checked] : given) as RecipeInput
}

/** Preferences over the policy's own completions, for a recipe. */
export function onPolicy(options: Extract<RecipeInput['preferences'], { prompts: unknown }>): typeof options {
  return options
}

/** Preferences from a file, for a recipe. */
export function pairs(file: string, options: Omit<Extract<RecipeInput['preferences'], { pairs: unknown }>, 'pairs'> = {}) {
  return { pairs: file, ...options }
}

/** Texts are learned token by token, preferences are not. */
function checkKinds({ preferences, objective, prior, kappa, fresh, train, gap }: Recipe) {
  const texts = preferences.kind === 'texts'
  if (gap) keepGaps(objective as PairObjective, gap.weight)
  if (objective.kind.reads.length === 0)
    throw new UserError(
      `objective.name: must be an objective that a recipe has data for, got ${objective.name}; give its examples to train() of innate/train`,
    )
  if (texts !== objective.kind.reads.includes('texts'))
    throw new UserError(
      `objective.name: must be ${texts ? 'nextToken for texts' : 'an objective of preferences'}, got ${objective.name}; ${texts ? 'leave it out' : 'name a file of texts under texts instead of preferences'}`,
    )
  if (train.batch < objective.kind.fewest)
    throw new UserError(
      `train.batch: must be ${objective.kind.fewest} or more for ${objective.name}, got ${train.batch}; give a larger batch`,
    )
  if (objective.whole && prior && kappa > 0)
    throw new UserError(
      `prior: must be left out with ${objective.name}, whose votes are each for one side, got one, which makes them soft; leave it out, or say kappa 0`,
    )
  if (objective.sync && train.lora)
    throw new UserError(
      'objective.sync: must go with a full training, got train.lora; part of a product of adapters is not a product of parts: leave one of them out',
    )
  if (texts && prior) throw new UserError('prior: must be left out with texts, got one; a prior is about what votes will say')
  if (fresh && !texts)
    throw new UserError(
      'fresh: must be left out with preferences, got true; train fresh parameters on texts first, in a recipe of their own',
    )
}

/** What fields say of each other, so that a run does not find it out after its first round. */
function checkOnPolicy(made: Recipe, preferences: OnPolicy) {
  if (made.gap) throw new UserError('gap: must be left out where a judge is asked, got one; a file of pairs has gaps, as "gap": true')
  const { objective, prior, gold } = made
  const { prior: _, ...withoutGoals } = made
  if (objective.kind.sides !== 2 || objective.kind.scores)
    throw new UserError(
      `objective.name: must be an objective of pairs for preferences from votes, got ${objective.name}; choose from ${pairObjectives().join(', ')}`,
    )
  const must = (where: string, names: readonly string[], known: readonly string[], what: string) => {
    const strange = names.find((name) => !known.includes(name))
    if (strange !== undefined)
      throw new UserError(
        `${where}: must name ${what} (${known.join(', ') || 'none: the recipe has no prior'}), got ${strange}${didYouMean(strange, known)}`,
      )
  }
  const { judge } = preferences
  const goalNames = (prior?.goals ?? []).map(({ name }) => name)
  const taken = goalNames.find((name) => Object.hasOwn(measurable(withoutGoals), name))
  if (taken !== undefined)
    throw new UserError(`prior.goals: must not be called as a measure is, got ${taken}; call it otherwise, with as: or goal('…', …)`)
  if (judge.kind === 'byGoals') must('preferences.judge.goals', Object.keys(judge.weights), goalNames, 'goals of the prior')
  if (gold) goldAgainst(gold, prior, judge)
}

function priorOf(given: NonNullable<ParsedRecipe['prior']>): GoalPrior {
  return 'logDensity' in given ? given : goalPrior({ ...given, goals: given.goals.map(goalFrom) })
}

function objectiveOf(given: NonNullable<ParsedRecipe['objective']>): Objective {
  return 'needs' in given ? (given as Objective) : objectiveFrom(given as { name: string })
}

function editOf(edit: NonNullable<ParsedRecipe['edit']>): RecipeEdit {
  const usual = { policy: true, reference: false, looks: true }
  if (typeof edit === 'function') return { apply: edit, ...usual }
  if (typeof edit === 'string' || Array.isArray(edit)) return { files: [edit].flat(), ...usual }
  return 'files' in edit ? { ...edit, files: [edit.files].flat() } : withoutUndefined(edit)
}

function trainOf({ optimizer, schedule, seed, lora, edit, batchGrowth, ...rest }: ParsedRecipe['train'], fallback: number): TrainSettings {
  if (lora && edit) throw new UserError('train.edit: must be all that is trained, got train.lora beside it; leave one of them out')
  return {
    ...rest,
    ...(lora ? { lora: withoutUndefined(lora) } : {}),
    ...(edit ? { lora: { rank: edit.rank, alpha: edit.rank, sites: edit.sites }, edit: withoutUndefined(edit) } : {}),
    ...(batchGrowth ? { batchGrowth } : {}),
    optimizer: 'update' in optimizer ? (optimizer as Optimizer) : optimizerFrom(optimizer as { name: string }),
    schedule: scheduleFrom(withoutUndefined(typeof schedule === 'string' ? { name: schedule } : schedule)),
    seed: seed ?? fallback,
  }
}

function pairObjectives(): string[] {
  return Object.values(objectives)
    .map((make) => (make as () => Objective)())
    .flatMap(({ name, kind }) => (kind.sides === 2 && !kind.scores ? [name] : []))
    .concat('mixture')
}
