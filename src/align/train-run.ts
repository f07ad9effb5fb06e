import { totalmem } from 'node:os'
import { z } from 'zod'
import type { Labels } from '../collect/label.ts'
import { onDisk } from '../files/index.ts'
import { checkGoals } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import { type Example, keepGaps, type PairObjective } from '../objectives/index.ts'
import { type Labelled, type Pair, type Quarantined, splitByPrompt } from '../preferences/index.ts'
import { random } from '../random/index.ts'
import type { FromFile, Recipe } from '../recipe/recipe.ts'
import { withoutUndefined } from '../recipe/without-undefined.ts'
import type { KeptPosterior } from '../rewards/index.ts'
import {
  type Alarm,
  alarmsFile,
  alarmsSchema,
  auditsSchema,
  type ContributionRow,
  contributionSchema,
  type DataFile,
  type Run,
  writeReport,
} from '../runs/index.ts'
import { checkWarmup, planSteps, type Trained, type Training } from '../train/index.ts'
import { alarmsOf } from './alarms/index.ts'
import { auditsFile } from './audit-training.ts'
import { estimate, trainWork, type Work } from './estimate.ts'
import { withReference } from './examples.ts'
import { type HeldOut, type HeldOutLabelled, heldOutLabelledSchema, heldOutSchema, measureHeldOut } from './held-out.ts'
import { keepInside } from './inside.ts'
import { labelRows } from './label-rows.ts'
import { loadPreferences } from './load-preferences.ts'
import { manifestOf } from './manifest.ts'
import { checkFits } from './memory-needs.ts'
import { goalsOf, type Models, openModels, readBy } from './open-models.ts'
import { openSource } from './open-source.ts'
import { withoutHeldOut } from './shutdown-held-out.ts'
import { openStored, takesOneByOne } from './stored-source.ts'
import { takeRun } from './take-run.ts'
import { throughputOf } from './throughput.ts'
import { orderOf, trainInto } from './train-into.ts'
import { type HeldOutRewards, heldOutRewardsSchema, keepPosterior, keepReliability, measureRewards, readToEnd } from './train-reward.ts'
import { type ShownPrompts, shownPrompts, trainSamples } from './train-samples.ts'
import { type HeldOutTexts, heldOutTextsSchema } from './train-texts.ts'
import type { Watch } from './watch.ts'

export interface TrainRunOptions {
  readonly watch?: Watch
  /** Aborted, the run saves after its step and returns. */
  readonly signal?: AbortSignal
  /** Go on with the run in `recipe.run`; one that has ended says so. */
  readonly resume?: boolean
  readonly command?: string
  /** Stops after this many steps and keeps a checkpoint. */
  readonly maxSteps?: number
}

export interface TrainedRun extends Trained {
  readonly run: string
  /** The trained model, once every step was taken. */
  readonly model?: string
  readonly heldOut?: HeldOut | HeldOutLabelled | HeldOutTexts | HeldOutRewards
  /** Rows of the file that could not be used, by reason; each is in quarantine.jsonl. */
  readonly quarantined: Readonly<Record<string, number>>
  /** Pairs without a preference, where there are some. */
  readonly gaps?: number
  /** With a prior: what it and what the votes put into the labels. */
  readonly contribution?: ContributionRow
  /** What the audits of the training found as it went, where they did. */
  readonly alarms?: readonly Alarm[]
}

/** What a run trains on, read from its file. */
export interface TrainingSource {
  readonly data: DataFile
  readonly quarantined: readonly Quarantined[]
  /** What the report shows before and after. */
  readonly shown: ShownPrompts
  /** Texts that the model before and after is read inside on. */
  readonly inside: readonly (readonly number[])[]
  work(steps: { done: number; until: number | undefined }): Promise<Work>
  /** All of them; with `steps`, only those that so many steps take need the reference's scores. */
  examples(steps?: number): Promise<{
    examples: readonly Example[]
    contribution?: ContributionRow
    predictions?: Labels['predictions']
    /** Makes the examples of a step, where those that are given only stand for them. */
    load?: NonNullable<Training['load']>
  }>
  /** Measures what is not trained on, after a step. */
  readonly measure?: NonNullable<Training['measure']>
  /** Writes what goes beside the model's weights. */
  readonly beside?: (model: string, examples: readonly Example[]) => Promise<void>
  /** The same, once training is done. */
  heldOut(): Promise<TrainedRun['heldOut'] | undefined>
  close?(): void
}

/**
 * Trains once on a file of preferences or of texts: no judge, no verdict. With a prior its posterior makes the labels of pairs soft.
 *
 * throws  UserError for what is wrong with recipe or files
 */
export async function trainRun(given: Recipe, options: TrainRunOptions = {}): Promise<TrainedRun> {
  const recipe = given.gap ? { ...given, objective: keepGaps(given.objective as PairObjective, given.gap.weight) } : given
  const { watch = {}, signal, resume, maxSteps, command = 'trainRun(recipe)' } = options
  const { preferences } = recipe
  if (preferences.kind === 'onPolicy')
    throw new UserError('preferences: train needs a file of pairs, got prompts and a judge; use { pairs: FILE }, or run: innate align')
  if (preferences.kind === 'rewarded')
    throw new UserError('reward: must be left out for train, which samples nothing, got one; run: innate align')
  if (preferences.kind === 'tasks' || recipe.shutdown)
    throw new UserError('shutdown: must be left out for train, which measures nothing of it, got some; run: innate align')
  const models = await openModels(recipe, watch, { signal, trains: true })
  const { checkpoint, trainee, engine } = models
  let run: Run | undefined
  let source: TrainingSource | undefined
  try {
    source = await (preferences.kind === 'file' && (await takesOneByOne(preferences, recipe, watch))
      ? openStored(preferences, recipe, models, watch)
      : openSource(preferences, recipe, models, watch))
    const { data, quarantined, measure } = source
    run = await takeRun(recipe.run, await manifestOf(recipe, 'train', models, [data], command), { resume, watch })
    if (run.manifest.ended !== undefined) return await said(run, watch)
    if (quarantined.length > 0) await run.writeRows('quarantine.jsonl', quarantined)
    const before = (await run.readMetrics()).at(-1)?.step ?? 0
    const work = await source.work({ done: before, until: maxSteps })
    checkFits(checkpoint.config, recipe.train, work, Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY))
    watch.needs?.({ all: estimate(checkpoint.config, recipe.train, work, await throughputOf(engine)) })
    const { examples, contribution, predictions, load } = await source.examples(maxSteps)
    if (contribution) await run.write('contribution.json', contribution)
    if (predictions) await run.writeRows('predictions.jsonl', predictions)
    const { done, steps } = await trainInto(run, recipe, models, [examples], {
      round: 0,
      folder: 'checkpoint',
      watch,
      ...(signal ? { signal } : {}),
      ...(maxSteps ? { maxSteps } : {}),
      ...(measure ? { measure } : {}),
      ...(load ? { load } : {}),
    })
    const found = {
      done,
      steps,
      run: run.folder,
      quarantined: data.quarantined,
      ...(data.gaps ? { gaps: data.gaps } : {}),
      ...(contribution ? { contribution } : {}),
      ...(await alarmsIn(run)),
    }
    if (done < steps) return found
    const model = await run.path('model')
    await onDisk(model, 4 * trainee.trained, () => trainee.save(model))
    await source.beside?.(model, examples)
    const measured = await source.heldOut()
    if (measured) await run.write('held-out.json', measured)
    if (measured && 'reliability' in measured) await keepReliability(run, measured)
    await keepAlarms(run, contribution, measured)
    const samples = recipe.objective.kind.scores
      ? []
      : await trainSamples(models, source.shown, recipe.seed, { watch, ...(signal ? { signal } : {}) })
    if (samples.length > 0) await run.writeRows('samples.jsonl', samples)
    await keepInside(run, recipe, models, source.inside, watch)
    await run.close({ ended: true })
    await writeReport(run)
    return { ...found, ...(await alarmsIn(run)), model, ...(measured ? { heldOut: measured } : {}) }
  } finally {
    source?.close?.()
    await run?.close()
    await engine.close()
  }
}

/** What a run that has ended came to. */
async function said(run: Run, watch: Watch): Promise<TrainedRun> {
  watch.note?.(`this run has ended (${run.manifest.ended}); nothing is left to go on with`)
  const steps = (await run.readMetrics()).at(-1)?.step ?? 0
  const heldOut = run.has('held-out.json')
    ? {
        heldOut: await run.read('held-out.json', z.union([heldOutRewardsSchema, heldOutSchema, heldOutTextsSchema, heldOutLabelledSchema])),
      }
    : {}
  const contribution = run.has('contribution.json') ? { contribution: await run.read('contribution.json', contributionSchema) } : {}
  const { quarantined } = run.manifest.data[0] ?? { quarantined: {} }
  return {
    done: steps,
    steps,
    run: run.folder,
    model: await run.path('model'),
    quarantined,
    ...heldOut,
    ...contribution,
    ...(await alarmsIn(run)),
  }
}

/** Alarms of audits and of the training itself, as the run keeps them. */
async function alarmsIn(run: Run): Promise<Pick<TrainedRun, 'alarms'>> {
  const { alarms: audited = [] } = run.has(auditsFile) ? await run.read(auditsFile, auditsSchema) : {}
  const alarms = [...audited, ...(run.has(alarmsFile) ? await run.read(alarmsFile, alarmsSchema) : [])]
  return alarms.length > 0 ? { alarms } : {}
}

/** Keeps the alarms that a training's steps, its prior and its held-out pairs raise. */
async function keepAlarms(run: Run, contribution: ContributionRow | undefined, measured: TrainedRun['heldOut'] | undefined) {
  const chosen = measured && 'chosenLogRatio' in measured ? measured.chosenLogRatio : undefined
  const displacement = chosen && { ...chosen, estimate: 0 - chosen.estimate, low: 0 - chosen.high, high: 0 - chosen.low }
  const raised = alarmsOf({ metrics: await run.readMetrics(), ...withoutUndefined({ contribution, displacement }) })
  if (raised.length > 0) await run.write(alarmsFile, raised)
}

/** Of a file of preferences: what is trained on, and what is like a held-out row and is not. */
interface PairCounts {
  count(): Promise<number>
  readonly near: number
  /** Rows that are not trained on, and the text of a row's prompt. */
  readonly heldOutRows: readonly (Pair | Labelled)[]
  readonly promptText: (row: Pair | Labelled) => string
}

/** A file of pairs or labelled completions, with the part of it that is held out; `apart` says which prompts may be trained on. */
export async function openPreferences(
  from: FromFile,
  recipe: Recipe,
  models: Models,
  watch: Watch,
  apart?: (prompts: readonly string[]) => readonly boolean[],
): Promise<TrainingSource & PairCounts> {
  const scores = recipe.objective.kind.scores === true
  const read = await loadPreferences(from, recipe, models.checkpoint, watch)
  const loaded = scores ? { ...read, rows: read.rows.map((row) => readToEnd(row, models)) } : read
  const { quarantined } = loaded
  await checkGoals(goalsOf(recipe), readBy(models))
  const promptText = (row: Pair | Labelled) => row.text?.prompt ?? models.checkpoint.tokenizer.decode(row.prompt)
  const isApart = apart?.(loaded.rows.map(promptText))
  const rows = isApart ? loaded.rows.filter((_, i) => isApart[i]) : loaded.rows
  const near = loaded.rows.length - rows.length
  const data = withoutHeldOut(loaded.data, near)
  if (recipe.prior && rows.some((row) => 'label' in row))
    throw new UserError(
      `prior: must be left out with labelled completions, got one for ${from.pairs}; a prior is about which of two completions votes will choose`,
    )
  const shares = { train: 1 - from.heldOut, heldOut: from.heldOut }
  const { train: trained, heldOut } = splitByPrompt(rows, promptText, shares, recipe.seed)
  const votedOn = trained.some((row) => !('gap' in row))
  if (trained.length > 0 && !votedOn && !recipe.gap)
    throw new UserError(
      `${from.pairs}: must have pairs with a preference, got ${trained.length} gaps, which train nothing; add votes, or gap.weight`,
    )
  if (trained.length === 0)
    throw new UserError(`preferences.heldOut: must leave pairs to train on, got ${from.heldOut} of ${rows.length} rows; lower it`)
  let made: ReturnType<typeof labelRows> | undefined
  let posterior: KeptPosterior | undefined
  const labels = () =>
    (made ??= labelRows(recipe.objective.params.bootstrap === 'pairs' ? drawn(trained, recipe) : trained, recipe, models))
  const promptsOf = (part: typeof rows) => part.map(({ prompt }) => prompt)
  return {
    data,
    near,
    heldOutRows: heldOut,
    promptText,
    count: async () => (await labels()).labelled.length,
    quarantined,
    shown: shownPrompts(promptsOf(heldOut), promptsOf(trained), models),
    inside: (heldOut.length > 1 ? heldOut : trained).map((row) => [...row.prompt, ...('chosen' in row ? row.chosen : row.completion)]),
    async work(steps) {
      const { labelled } = await labels()
      return trainWork(
        recipe.train,
        labelled.map(({ tree }) => tree),
        steps,
      )
    },
    async examples(steps) {
      const { labelled, ...rest } = await labels()
      const unscored = labelled.map((example) => ({ ...example, reference: [] }))
      const order = { objective: recipe.objective, examples: unscored, ...orderOf(recipe, 0) }
      checkWarmup(recipe.train.schedule, planSteps(order).steps)
      if (scores) return { examples: unscored, ...rest }
      const { plan } = planSteps({ ...order, epochs: 1 })
      return { examples: await withReference(unscored, models, watch, recipe.objective, plan.slice(0, steps)), ...rest }
    },
    ...(scores
      ? {
          async beside(model, examples) {
            posterior = await keepPosterior(model, models, examples, recipe, watch)
          },
        }
      : {}),
    async heldOut() {
      if (from.heldOut === 0) return undefined
      const measured = posterior ? await measureRewards(models, posterior, heldOut) : await measureHeldOut(models, heldOut)
      if (!('tooFew' in measured)) return measured
      watch.note?.(`a held-out figure needs ${measured.tooFew}; raise preferences.heldOut`)
      return undefined
    },
  }
}

/** As many rows, drawn with replacement: a bootstrap sample, for a member of an ensemble. */
function drawn<T>(rows: readonly T[], { train }: Recipe): T[] {
  return Array.from(random(train.seed, 'bootstrap').integers(rows.length, rows.length), (i) => rows[i]!)
}
