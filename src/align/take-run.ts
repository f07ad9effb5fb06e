import { UserError } from '../graph/index.ts'
import { createRun, type Manifest, type NewManifest, openRun, type Run } from '../runs/index.ts'
import type { Watch } from './watch.ts'

/**
 * A new run folder, or with `resume` the one that is there. What a run began with it also ends with, so that its manifest stays true; only
 * `train.tokenBudget` may change, which the manifest then notes, since it moves losses by rounding alone (1e-5).
 *
 * throws  UserError when the folder is taken, another process writes to it, or recipe, model or data are no longer those it began with
 */
export async function takeRun(
  folder: string | undefined,
  manifest: NewManifest,
  { resume, watch }: { resume: boolean | undefined; watch: Watch },
): Promise<Run> {
  if (!resume) return announced(await createRun(folder, manifest), watch)
  if (folder === undefined) throw new UserError('run: must name the run folder to go on with, got none; add run to the recipe')
  const run = await openRun(folder, { resume: true })
  const [field, began, now] = firstDifference(begunWith(run.manifest), begunWith(manifest)) ?? anotherLoss(run.manifest, manifest) ?? []
  if (field === undefined) {
    const budgets = [run.manifest, manifest].map(({ recipe }) => budgetOf(recipe))
    const [before, budget] = [run.manifest.budgets?.at(-1)?.tokenBudget ?? budgets[0], budgets[1]]
    if (budget !== undefined && before !== budget)
      await run.amend({ budgets: [...(run.manifest.budgets ?? []), { at: new Date().toISOString(), tokenBudget: budget }] })
    return announced(run, watch)
  }
  await run.close()
  throw new UserError(
    `${folder}: a run must go on with what it began with, got another ${field} (${short(began)} before, ${short(now)} now); put it back, or begin a new run in another folder`,
  )
}

/** The first field in which a run began otherwise than what is given now; what its recipe declares to audits may be another, and so may its data. */
export function differsFrom(began: Manifest, now: NewManifest): string | undefined {
  const [a, b] = [began, now].map(({ recipe, ...rest }) => {
    const { audit: _, ...others } = recipe as Record<string, unknown>
    return begunWith({ ...rest, recipe: others as Manifest['recipe'], data: [] } as unknown as Manifest)
  })
  return firstDifference(a, b)?.[0]
}

function announced(run: Run, watch: Watch): Run {
  watch.run?.(run.folder)
  return run
}

function budgetOf(recipe: unknown): number | undefined {
  return (recipe as { train?: { tokenBudget?: number } }).train?.tokenBudget
}

/** What decides the numbers of a run. Files may have moved, so they are compared by their content. */
function begunWith({
  kind,
  recipe,
  model,
  data = [],
  edits = [],
  files = [],
}: Pick<Manifest, 'kind' | 'recipe' | 'model'> & Pick<NewManifest, 'data' | 'edits' | 'files'>) {
  const given = { ...JSON.parse(JSON.stringify(recipe)), files: undefined }
  const { run: _, model: __, keepRounds: ___, preferences, train, look, edit, shutdown, ...rest } = given
  const { checkpointSeconds: ____, tokenBudget, ...settings } = train ?? {}
  const { pairs: _____, prompts: ______, file: _______, ...how } = preferences ?? {}
  const { texts: ________, ...looks } = look ?? {}
  const { files: _________, ...editHolds } = edit ?? {}
  // Where texts are cut to the budget, another one makes other texts.
  const cut = preferences?.kind === 'texts' && preferences.maxLength === undefined ? { tokenBudget } : {}
  return {
    kind,
    ...rest,
    ...(edit ? { edit: editHolds } : {}),
    ...(shutdown ? { shutdown: Object.keys(shutdown) } : {}),
    edits: edits.map(({ sha256 }) => sha256),
    files: files.map(({ sha256 }) => sha256),
    look: looks,
    train: { ...settings, ...cut },
    preferences: how,
    model: model.sha256,
    data: data.map(({ sha256 }) => sha256),
  }
}

/** A custom loss of one text that computes something else, such as another closure of one factory. */
function anotherLoss({ loss: began }: Pick<Manifest, 'loss'>, { loss: now }: NewManifest): Difference | undefined {
  if (began?.traced === undefined || now?.traced === began.traced) return undefined
  return ['loss, as it is traced', began.traced.slice(0, 8), now?.traced?.slice(0, 8)]
}

type Difference = [field: string, a: unknown, b: unknown]

function firstDifference(a: unknown, b: unknown, path: readonly string[] = []): Difference | undefined {
  if (a === b) return undefined
  const both = [a, b].every((x) => typeof x === 'object' && x !== null)
  if (!both) return [path.join('.'), a, b]
  const [before, now] = [a, b] as Record<string, unknown>[]
  for (const key of new Set([...Object.keys(before!), ...Object.keys(now!)])) {
    const found = firstDifference(before![key], now![key], [...path, key])
    if (found) return found
  }
  return undefined
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 40 ? `${text.slice(0, 39)}…` : text
}
