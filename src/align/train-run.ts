import { totalmem } from 'node:os'
import { z } from 'zod'
import type { Labels } from '../collect/label.ts'
import { onDisk } from '../files/index.ts'
import { UserError } from '../graph/index.ts'
import { type Example, keepGaps, type PairObjective } from '../objectives/index.ts'
import type { Quarantined } from '../preferences/index.ts'
import type { Recipe } from '../recipe/recipe.ts'
import { withoutUndefined } from '../recipe/without-undefined.ts'
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
import type { Trained, Training } from '../train/index.ts'
import { alarmsOf } from './alarms/index.ts'
import { auditsFile } from './audit-training.ts'
import { clocked } from './clock.ts'
import { estimate, type Work } from './estimate.ts'
import { type HeldOut, type HeldOutLabelled, heldOutLabelledSchema, heldOutSchema } from './held-out.ts'
import { keepInside } from './inside.ts'
import { type HeldOutLabelRewards, type HeldOutStepRewards, heldOutLabelRewardsSchema, heldOutStepRewardsSchema } from './label-rewards.ts'
import { manifestOf } from './manifest.ts'
import { checkFits } from './memory-needs.ts'
import { openModels } from './open-models.ts'
import { openSource } from './open-source.ts'
import { keepReliability } from './reliability.ts'
import { openStored, takesOneByOne } from './stored-source.ts'
import { takeRun } from './take-run.ts'
import { throughputOf } from './throughput.ts'
import { trainInto } from './train-into.ts'
import { type HeldOutRewards, heldOutRewardsSchema } from './train-reward.ts'
import { type ShownPrompts, trainSamples } from './train-samples.ts'
import { type HeldOutTexts, heldOutTextsSchema } from './train-texts.ts'
import { during, type Watch } from './watch.ts'

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
  readonly heldOut?: HeldOut | HeldOutLabelled | HeldOutTexts | HeldOutRewards | HeldOutLabelRewards | HeldOutStepRewards
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
  const { signal, resume, maxSteps, command = 'trainRun(recipe)' } = options
  const clock = clocked(options.watch ?? {})
  const { watch } = clock
  const { preferences } = recipe
  if (preferences.kind === 'onPolicy')
    throw new UserError('preferences: train needs a file of pairs, got prompts and a judge; use { pairs: FILE }, or run: innate align')
  if (preferences.kind === 'rewarded')
    throw new UserError('reward: must be left out for train, which samples nothing, got one; run: innate align')
  if (preferences.kind === 'tasks' || recipe.shutdown)
    throw new UserError('shutdown: must be left out for train, which measures nothing of it, got some; run: innate align')
  const models = await during(watch, 'opening the model', () => openModels(recipe, watch, { signal, trains: true }))
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
    await during(watch, 'writing the model', () => onDisk(model, 4 * trainee.trained, () => trainee.save(model)))
    await source.beside?.(model, examples)
    const measured = await during(watch, 'measuring what is held out', async () => source?.heldOut())
    if (measured) await run.write('held-out.json', measured)
    if (measured && 'reliability' in measured) await keepReliability(run, measured, heldOutName(measured))
    await keepAlarms(run, contribution, measured)
    const samples = recipe.objective.kind.scores
      ? []
      : await trainSamples(models, source.shown, recipe.seed, { watch, ...(signal ? { signal } : {}) })
    if (samples.length > 0) await run.writeRows('samples.jsonl', samples)
    await keepInside(run, recipe, models, source.inside, watch)
    await clock.keep(run)
    await run.close({ ended: true })
    await writeReport(run)
    return { ...found, ...(await alarmsIn(run)), model, ...(measured ? { heldOut: measured } : {}) }
  } finally {
    source?.close?.()
    if (run && run.manifest.ended === undefined) await clock.keep(run)
    await run?.close()
    await engine.close()
  }
}

function heldOutName(measured: HeldOutRewards | HeldOutLabelRewards | HeldOutStepRewards): string {
  if ('steps' in measured) return `${measured.steps} held-out steps`
  return 'pairs' in measured ? `${measured.pairs} held-out pairs` : `${measured.completions} held-out completions`
}

/** What held-out.json may hold; those with more fields come first, since others would read them too. */
const measuredSchema = z.union([
  heldOutRewardsSchema,
  heldOutStepRewardsSchema,
  heldOutLabelRewardsSchema,
  heldOutSchema,
  heldOutTextsSchema,
  heldOutLabelledSchema,
])

/** What a run that has ended came to. */
async function said(run: Run, watch: Watch): Promise<TrainedRun> {
  watch.note?.(`this run has ended (${run.manifest.ended}); nothing is left to go on with`)
  const steps = (await run.readMetrics()).at(-1)?.step ?? 0
  const heldOut = run.has('held-out.json')
    ? {
        heldOut: await run.read('held-out.json', measuredSchema),
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
