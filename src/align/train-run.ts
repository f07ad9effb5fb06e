import { UserError } from '../graph/index.ts'
import type { Tree } from '../models/index.ts'
import { type Labelled, labelledTree, type Pair, pairTree, splitByPrompt } from '../preferences/index.ts'
import { type ContributionRow, onDisk, type Run, writeReport } from '../runs/index.ts'
import type { Trained } from '../train/index.ts'
import { estimate, type Needs, trainWork } from './estimate.ts'
import { withReference } from './examples.ts'
import { type HeldOut, heldOutAccuracy, heldOutSchema } from './held-out.ts'
import { type Labels, labelPairs } from './label.ts'
import { loadPreferences } from './load-preferences.ts'
import { manifestOf } from './manifest.ts'
import type { Recipe } from './recipe.ts'
import { openSetting, type Setting } from './setting.ts'
import { sampleOf } from './speak.ts'
import { standardOf } from './standard.ts'
import { takeRun } from './take-run.ts'
import { throughputOf } from './throughput.ts'
import { trainInto } from './train-into.ts'
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
  readonly heldOut?: HeldOut
  /** Rows of the file that could not be used, by reason; each is in quarantine.jsonl. */
  readonly quarantined: Readonly<Record<string, number>>
  /** With a prior: what it and what the votes put into the labels. */
  readonly contribution?: ContributionRow
}

/**
 * Trains once on a file of preferences: no prior needed, no judge, no verdict. With a prior its posterior makes the labels soft.
 *
 * throws  UserError for what is wrong with recipe or files
 */
export async function trainRun(recipe: Recipe, options: TrainRunOptions = {}): Promise<TrainedRun> {
  const { watch = {}, signal, resume, maxSteps, command = 'trainRun(recipe)' } = options
  const { preferences } = recipe
  if (preferences.kind !== 'file')
    throw new UserError('preferences: train needs a file of pairs, got prompts and a judge; use { pairs: FILE }, or run: innate align')
  const setting = await openSetting(recipe, watch)
  let run: Run | undefined
  try {
    const { rows, quarantined, data } = await loadPreferences(preferences, recipe, setting.checkpoint, watch)
    run = await takeRun(recipe.run, await manifestOf(recipe, 'train', setting, [data], command), { resume, watch })
    if (run.manifest.ended !== undefined) return await said(run, watch)
    if (quarantined.length > 0) await run.writeRows('quarantine.jsonl', quarantined)
    const shares = { train: 1 - preferences.heldOut, heldOut: preferences.heldOut }
    const { train: trained, heldOut } = splitByPrompt(rows, shares, recipe.seed)
    if (trained.length === 0)
      throw new UserError(`preferences.heldOut: must leave pairs to train on, got ${preferences.heldOut} of ${rows.length} rows; lower it`)
    const { labelled, contribution } = await label(trained, recipe, setting)
    watch.needs?.({ all: await needsOf(labelled, recipe, setting) })
    const examples = await withReference(labelled, setting.reference, watch)
    const { done, steps } = await trainInto(run, recipe, setting, examples, {
      round: 0,
      folder: 'checkpoint',
      watch,
      ...(signal ? { signal } : {}),
      ...(maxSteps ? { maxSteps } : {}),
    })
    const found = { done, steps, run: run.folder, quarantined: data.quarantined, ...(contribution ? { contribution } : {}) }
    if (done < steps) return found
    const model = await run.path('model')
    await onDisk(model, 4 * setting.trainee.trained, () => setting.trainee.save(model))
    const measured = heldOut.length > 0 ? await heldOutAccuracy(setting, heldOut) : undefined
    if (!measured && preferences.heldOut > 0)
      watch.note?.(`held-out accuracy needs pairs on at least 2 prompts, got ${heldOut.length} pairs held out; raise preferences.heldOut`)
    if (measured) await run.write('held-out.json', measured)
    await run.close({ ended: true })
    await writeReport(run)
    return { ...found, model, ...(measured ? { heldOut: measured } : {}) }
  } finally {
    await run?.close()
    await setting.engine.close()
  }
}

/** What a run that has ended came to. */
async function said(run: Run, watch: Watch): Promise<TrainedRun> {
  watch.note?.(`this run has ended (${run.manifest.ended}); nothing is left to go on with`)
  const steps = (await run.readMetrics()).at(-1)?.step ?? 0
  const heldOut = run.has('held-out.json') ? { heldOut: await run.read('held-out.json', heldOutSchema) } : {}
  const { quarantined } = run.manifest.data[0] ?? { quarantined: {} }
  return { done: steps, steps, run: run.folder, model: await run.path('model'), quarantined, ...heldOut }
}

async function needsOf(labelled: readonly { tree: Tree }[], { train }: Recipe, { engine, checkpoint }: Setting): Promise<Needs> {
  const work = trainWork(
    train,
    labelled.map(({ tree }) => tree),
  )
  return estimate(checkpoint.config, train, work, await throughputOf(engine))
}

/** Pairs with their soft labels, or single completions with theirs. */
async function label(
  rows: readonly (Pair | Labelled)[],
  recipe: Recipe,
  setting: Setting,
): Promise<{ labelled: { tree: Tree; label: number }[]; contribution?: ContributionRow }> {
  if (recipe.objective.kind === 'examples') return { labelled: rows.flatMap(singles) }
  const pairs = rows.filter((row): row is Pair => 'chosen' in row)
  const { soft, contribution } = await softLabels(pairs, recipe, setting)
  const labelled = pairs.map((pair, i) => ({ tree: pairTree(pair), label: soft[i]! }))
  return { labelled, ...(contribution ? { contribution } : {}) }
}

function singles(row: Pair | Labelled): { tree: Tree; label: number }[] {
  if ('label' in row) return [{ tree: labelledTree(row), label: row.label ? 1 : 0 }]
  return [row.chosen, row.rejected].map((completion, i) => ({ tree: { prompt: row.prompt, completions: [completion] }, label: 1 - i }))
}

async function softLabels(pairs: readonly Pair[], recipe: Recipe, setting: Setting): Promise<Labels> {
  const { tokenizer, eosIds } = setting.checkpoint
  const voted = pairs.map((pair) => {
    const prompt = { ids: pair.prompt, text: pair.text?.prompt ?? tokenizer.decode(pair.prompt) }
    const side = (ids: readonly number[]) => sampleOf(tokenizer, prompt, { ids: [...ids], ended: eosIds.includes(ids.at(-1)!) })
    return { a: side(pair.chosen), b: side(pair.rejected), votes: pair.votes }
  })
  if (!recipe.prior) return labelPairs(voted, recipe.kappa)
  const prompts = pairs.map(({ prompt }) => prompt)
  return labelPairs(voted, recipe.kappa, {
    prior: recipe.prior,
    standard: await standardOf(recipe.prior.goals, prompts, setting, recipe.seed),
  })
}
