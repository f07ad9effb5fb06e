import { dataFile } from '../checkpoints/index.ts'
import { hashFile } from '../files/index.ts'
import { UserError } from '../graph/index.ts'
import type { Example } from '../objectives/index.ts'
import { countReasons, loadSteps, type Stepwise, splitByPrompt } from '../preferences/index.ts'
import { random } from '../random/index.ts'
import type { Recipe } from '../recipe/recipe.ts'
import type { FromFile } from '../recipe/sources.ts'
import type { KeptPosterior } from '../rewards/index.ts'
import { checkWarmup, planSteps } from '../train/index.ts'
import { trainWork } from './estimate.ts'
import { measureStepRewards } from './label-rewards.ts'
import type { Models } from './open-models.ts'
import { keepPosterior } from './reward-posterior.ts'
import { orderOf } from './train-into.ts'
import type { TrainingSource } from './train-run.ts'
import { shownPrompts } from './train-samples.ts'
import type { Watch } from './watch.ts'

/**
 * Reads a recipe's file of completions in steps, with the part of it that is held out.
 *
 * throws  UserError as loadSteps, for what does not go with steps, and when nothing is left to train on
 */
export async function openSteps(from: FromFile, recipe: Recipe, models: Models, watch: Watch): Promise<TrainingSource> {
  const { checkpoint } = models
  const strange = Object.entries({ columns: from.columns, truncate: from.truncate !== 'none', boundary: from.boundary !== 'strict' }).find(([, given]) => given) // biome-ignore format: one line
  if (strange)
    throw new UserError(`preferences.${strange[0]}: must be left out with ${recipe.objective.name}, whose steps are tokenised one by one, got some; leave it out`) // biome-ignore format: one line
  if (recipe.prior)
    throw new UserError(
      `prior: must be left out with ${recipe.objective.name}, got one; a prior is about which of two completions votes will choose`,
    )
  const path = await dataFile(from.pairs, (line) => watch.note?.(line))
  const { rows, examples, quarantined } = await loadSteps(path, checkpoint, from.maxLength ? { maxLength: from.maxLength } : {})
  const counts = countReasons(quarantined)
  const aside = Object.entries(counts).map(([reason, n]) => `${n} ${reason}`)
  const steps = examples.reduce((sum, one) => sum + one.steps.length, 0)
  watch.note?.(
    `${path}: ${examples.length} usable rows of ${rows}, ${steps} steps${aside.length > 0 ? `; ${quarantined.length} set aside (${aside.join(', ')})` : ''}`,
  )
  const shares = { train: 1 - from.heldOut, heldOut: from.heldOut }
  const { train, heldOut } = splitByPrompt(examples, ({ text }) => text.prompt, shares, recipe.seed)
  if (train.length === 0)
    throw new UserError(`preferences.heldOut: must leave rows to train on, got ${from.heldOut} of ${examples.length} rows; lower it`)
  const trained = (recipe.objective.params.bootstrap === 'rows' ? drawn(train, recipe) : train).map(exampleOf)
  let posterior: KeptPosterior | undefined
  return {
    data: { role: 'steps', path, sha256: await hashFile(path), rows, used: examples.length, quarantined: { ...counts } },
    quarantined,
    shown: shownPrompts(
      heldOut.map(({ prompt }) => prompt),
      train.map(({ prompt }) => prompt),
      models,
    ),
    inside: (heldOut.length > 1 ? heldOut : train).map(({ prompt, completion }) => [...prompt, ...completion]),
    work: async (until) =>
      trainWork(
        recipe.train,
        trained.map(({ tree }) => tree),
        until,
      ),
    async examples() {
      checkWarmup(recipe.train.schedule, planSteps({ objective: recipe.objective, examples: trained, ...orderOf(recipe, 0) }).steps)
      return { examples: trained }
    },
    async beside(model, given) {
      posterior = await keepPosterior(model, models, given, recipe, watch)
    },
    async heldOut() {
      if (from.heldOut === 0 || !posterior) return undefined
      const measured = await measureStepRewards(models, posterior, heldOut)
      if (!('tooFew' in measured)) return measured
      watch.note?.(`a held-out figure needs ${measured.tooFew}; raise preferences.heldOut`)
      return undefined
    },
  }
}

function exampleOf({ prompt, completion, steps }: Stepwise): Example {
  return {
    ...{ tree: { prompt, completions: [completion] }, reference: [], label: 1 },
    steps: steps.map(({ end, label }) => ({ end, label: label ? 1 : 0 })),
  }
}

/** As many rows, drawn with replacement: a bootstrap sample, for a member of an ensemble. */
function drawn<T>(rows: readonly T[], { train }: Recipe): T[] {
  return Array.from(random(train.seed, 'bootstrap').integers(rows.length, rows.length), (i) => rows[i]!)
}
