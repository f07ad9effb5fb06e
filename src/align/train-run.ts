import { UserError } from '../graph/index.ts'
import type { Tree } from '../models/index.ts'
import {
  kindOfFile,
  type Labelled,
  type Loaded,
  labelledTree,
  loadLabelled,
  loadPairs,
  type Pair,
  pairTree,
  splitByPrompt,
  writeQuarantine,
} from '../preferences/index.ts'
import { createRun, type DataFile, openRun, type Run, writeReport } from '../runs/index.ts'
import { type Example, type Trained, train } from '../train/index.ts'
import { type HeldOut, heldOutAccuracy } from './held-out.ts'
import { labelPairs } from './label.ts'
import type { FromFile, Recipe } from './recipe.ts'
import { hashFile, manifestOf, openSetting, type Setting } from './setting.ts'
import { sampleOf } from './speak.ts'
import { standardOf } from './standard.ts'
import { begin, type Watch } from './watch.ts'

export interface TrainRunOptions {
  readonly watch?: Watch
  readonly signal?: AbortSignal
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
}

/**
 * Trains once on a file of preferences: no prior needed, no judge, no verdict. With a prior its posterior makes the labels soft.
 *
 * throws  UserError for what is wrong with recipe or files
 */
export async function trainRun(recipe: Recipe, options: TrainRunOptions = {}): Promise<TrainedRun> {
  const { watch = {}, signal } = options
  const { preferences } = recipe
  if (preferences.kind !== 'file')
    throw new UserError('preferences: train needs a file of pairs, got prompts and a judge; use { pairs: FILE }, or run: innate align')
  const setting = await openSetting(recipe, watch)
  let run: Run | undefined
  try {
    const loaded = await load(preferences, recipe, setting, watch)
    const data = await dataFile(preferences.pairs, loaded)
    run = options.resume
      ? await openRun(recipe.run!, { resume: true })
      : await createRun(recipe.run, await manifestOf(recipe, 'train', setting, [data], options.command ?? 'trainRun(recipe)'))
    await writeQuarantine(await run.path('quarantine.jsonl'), loaded.quarantined)
    const { train: trained, heldOut } = splitByPrompt<Pair | Labelled, 'train' | 'heldOut'>(
      loaded.examples,
      { train: 1 - preferences.heldOut, heldOut: preferences.heldOut },
      recipe.seed,
    )
    const examples = await toExamples(trained, recipe, setting, watch)
    const { done, steps } = await trainInto(run, recipe, setting, examples, options)
    if (done < steps) return { done, steps, run: run.folder }
    const model = await run.path('model')
    await setting.trainee.save(model)
    const measured = heldOut.length > 0 ? await heldOutAccuracy(setting, heldOut) : undefined
    if (measured) await run.write('held-out.json', measured)
    await run.close({ ended: true })
    await writeReport(run)
    return { done, steps, run: run.folder, model, ...(measured ? { heldOut: measured } : {}) }
  } finally {
    await run?.close()
    await setting.engine.close()
    signal?.throwIfAborted()
  }
}

async function load(
  preferences: FromFile,
  { objective }: Recipe,
  { checkpoint }: Setting,
  watch: Watch,
): Promise<Loaded<Pair> | Loaded<Labelled>> {
  const { pairs: file, boundary, maxLength } = preferences
  const kind = await kindOfFile(file)
  const wanted = objective.kind === 'pairs' ? 'pairs' : 'labelled'
  // An objective of single completions reads pairs too: the chosen side as wanted, the rejected one as not.
  if (wanted === 'pairs' && kind === 'labelled')
    throw new UserError(
      `${file}: ${objective.name} needs pairs (prompt, chosen, rejected), got labelled completions; choose objective kto, or another file`,
    )
  watch.note?.(`reading ${file}`)
  const options = { boundary, ...(maxLength ? { maxLength } : {}) }
  const loaded = kind === 'pairs' ? await loadPairs(file, checkpoint, options) : await loadLabelled(file, checkpoint, options)
  const aside = loaded.quarantined.length
  watch.note?.(
    `${loaded.examples.length} usable rows of ${loaded.rows}${
      aside > 0
        ? `; ${aside} set aside (${Object.entries(loaded.counts)
            .map(([reason, n]) => `${n} ${reason}`)
            .join(', ')})`
        : ''
    }`,
  )
  return loaded
}

async function dataFile(path: string, { rows, examples, counts }: Loaded<Pair> | Loaded<Labelled>): Promise<DataFile> {
  return {
    role: 'preferences',
    path,
    sha256: await hashFile(path),
    rows,
    used: examples.length,
    quarantined: counts as Record<string, number>,
  }
}

/** Pairs with their soft labels, or labelled completions, each with the reference's log-probabilities. */
async function toExamples(rows: readonly (Pair | Labelled)[], recipe: Recipe, setting: Setting, watch: Watch): Promise<Example[]> {
  const labelled = rows.flatMap((row): { tree: Tree; label: number }[] => {
    if ('label' in row) return [{ tree: labelledTree(row), label: row.label ? 1 : 0 }]
    if (recipe.objective.kind === 'pairs') return []
    return [row.chosen, row.rejected].map((completion, i) => ({ tree: { prompt: row.prompt, completions: [completion] }, label: 1 - i }))
  })
  const pairs = rows.filter((row): row is Pair => 'chosen' in row)
  const soft = recipe.objective.kind === 'pairs' ? await softLabels(pairs, recipe, setting) : []
  const all = recipe.objective.kind === 'pairs' ? pairs.map((pair, i) => ({ tree: pairTree(pair), label: soft[i]! })) : labelled
  const bar = begin(watch, 'reference log-probabilities', 100)
  let shown = 0
  const logps = await setting.reference.logps(
    all.map(({ tree }) => tree),
    (done, of) => {
      bar.advance(Math.floor((100 * done) / of) - shown)
      shown = Math.floor((100 * done) / of)
    },
  )
  bar.done()
  let slot = 0
  return all.map((example) => ({ ...example, reference: example.tree.completions.map(() => logps[slot++]!) }))
}

async function softLabels(pairs: readonly Pair[], recipe: Recipe, setting: Setting): Promise<readonly number[]> {
  const { tokenizer, eosIds } = setting.checkpoint
  const voted = pairs.map((pair) => {
    const prompt = { ids: pair.prompt, text: pair.text?.prompt ?? tokenizer.decode(pair.prompt) }
    const side = (ids: readonly number[]) => sampleOf(tokenizer, prompt, { ids: [...ids], ended: eosIds.includes(ids.at(-1)!) })
    return { a: side(pair.chosen), b: side(pair.rejected), votes: pair.votes }
  })
  if (!recipe.prior) return labelPairs(voted, recipe.kappa).soft
  const standard = await standardOf(
    recipe.prior.goals,
    pairs.map(({ prompt }) => prompt),
    setting,
    recipe.seed,
  )
  return labelPairs(voted, recipe.kappa, { prior: recipe.prior, standard }).soft
}

async function trainInto(
  run: Run,
  recipe: Recipe,
  setting: Setting,
  examples: readonly Example[],
  { watch = {}, signal, maxSteps }: TrainRunOptions,
): Promise<Trained> {
  const file = await run.path('checkpoint/state.safetensors')
  let bar: ReturnType<typeof begin> | undefined
  const trained = await train({
    ...recipe.train,
    policy: setting.trainee.policy,
    objective: recipe.objective,
    ...(recipe.loss ? { loss: recipe.loss } : {}),
    examples,
    shuffle: recipe.preferences.kind === 'file' && recipe.preferences.shuffle,
    referenceOf: setting.reference.logps,
    checkpoint: { file, everySeconds: recipe.train.checkpointSeconds },
    resume: true,
    ...(maxSteps ? { maxSteps } : {}),
    ...(signal ? { signal } : {}),
    async onStart({ step, steps }) {
      await run.truncateMetrics({ round: 0, step })
      bar = begin(watch, 'training', steps)
      bar.advance(step)
    },
    async onStep(metrics, at) {
      await run.appendMetrics(metrics)
      watch.step?.(metrics, at)
      bar!.advance(1, `loss ${metrics.loss.toFixed(3)}`)
    },
  })
  bar?.done()
  return trained
}
