import { checkGoals } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import { type Labelled, type Pair, splitByPrompt } from '../preferences/index.ts'
import { random } from '../random/index.ts'
import type { FromFile, Recipe } from '../recipe/recipe.ts'
import type { KeptPosterior } from '../rewards/index.ts'
import { checkWarmup, planSteps } from '../train/index.ts'
import { trainWork } from './estimate.ts'
import { withReference } from './examples.ts'
import { measureHeldOut } from './held-out.ts'
import { measureLabelRewards } from './label-rewards.ts'
import { labelRows } from './label-rows.ts'
import { loadPreferences } from './load-preferences.ts'
import { goalsOf, type Models, readBy } from './open-models.ts'
import { keepPosterior } from './reward-posterior.ts'
import { withoutHeldOut } from './shutdown-held-out.ts'
import { orderOf } from './train-into.ts'
import { measureRewards, readToEnd } from './train-reward.ts'
import type { TrainingSource } from './train-run.ts'
import { shownPrompts } from './train-samples.ts'
import type { Watch } from './watch.ts'

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
    (made ??= labelRows((recipe.objective.params.bootstrap ?? 'none') === 'none' ? trained : drawn(trained, recipe), recipe, models))
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
      const measured = await measureOn(heldOut, models, posterior)
      if (!('tooFew' in measured)) return measured
      watch.note?.(`a held-out figure needs ${measured.tooFew}; raise preferences.heldOut`)
      return undefined
    },
  }
}

function measureOn(heldOut: readonly (Pair | Labelled)[], models: Models, posterior: KeptPosterior | undefined) {
  if (!posterior) return measureHeldOut(models, heldOut)
  const singly = heldOut.some((row) => 'label' in row)
  return singly ? measureLabelRewards(models, posterior, heldOut) : measureRewards(models, posterior, heldOut)
}

/** As many rows, drawn with replacement: a bootstrap sample, for a member of an ensemble. */
function drawn<T>(rows: readonly T[], { train }: Recipe): T[] {
  return Array.from(random(train.seed, 'bootstrap').integers(rows.length, rows.length), (i) => rows[i]!)
}
