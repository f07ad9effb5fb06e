import { type Labels, labelPairs } from '../collect/label.ts'
import { sampleOf } from '../collect/sample-texts.ts'
import { goalScale, readSamples, softLabel } from '../goals/index.ts'
import type { Unscored } from '../objectives/index.ts'
import { type Labelled, labelledTree, type Pair, pairTree } from '../preferences/index.ts'
import type { Recipe } from '../recipe/recipe.ts'
import type { ContributionRow } from '../runs/index.ts'
import { priorParts } from './examples.ts'
import { heeding, type Models, readBy } from './open-models.ts'

/** What an objective trains on: its own of each pair with its soft label, or labelled completions as they are. */
export async function labelRows(
  rows: readonly (Pair | Labelled)[],
  recipe: Recipe,
  models: Models,
): Promise<{ labelled: Unscored[]; contribution?: ContributionRow; predictions?: Labels['predictions'] }> {
  const singles = rows.filter((row): row is Labelled => 'label' in row)
  if (singles.length > 0) return { labelled: singles.map((row) => ({ tree: labelledTree(row), label: shareOf(row) })) }
  const pairs = rows.filter((row): row is Pair => 'chosen' in row)
  const voted = pairs.filter(({ gap }) => !gap)
  const { soft, prior, contribution, predictions } = await softLabels(voted, recipe, models)
  const place = new Map(voted.map((pair, i) => [pair, i]))
  // Without a weight a gap is nothing to train on; its order never gives a gradient.
  const used = recipe.gap ? pairs : voted
  const labelled = used.flatMap((pair) => {
    const i = place.get(pair)
    if (i === undefined) return [{ tree: pairTree(pair), label: 0.5, gap: true }]
    return recipe.objective.kind.ofPair!({
      ...{ tree: pairTree(pair), label: soft[i]! },
      ...(pair.margin === undefined ? {} : { margin: pair.margin }),
      ...(prior ? priorParts(recipe, prior[i]!) : {}),
    })
  })
  return { labelled, ...(contribution ? { contribution } : {}), ...(predictions ? { predictions } : {}) }
}

/** The probability that a completion is wanted: its votes as they are, or its label. */
function shareOf({ votes, label }: Labelled): number {
  return votes ? softLabel(votes, 0.5, 0) : label ? 1 : 0
}

async function softLabels(pairs: readonly Pair[], recipe: Recipe, models: Models): Promise<Labels> {
  const { tokenizer, eosIds } = models.checkpoint
  const voted = pairs.map((pair) => {
    const prompt = { ids: pair.prompt, text: pair.text?.prompt ?? tokenizer.decode(pair.prompt) }
    const side = (ids: readonly number[]) => sampleOf(tokenizer, prompt, { ids: [...ids], ended: eosIds.includes(ids.at(-1)!) })
    return { a: side(pair.chosen), b: side(pair.rejected), votes: pair.votes }
  })
  if (!recipe.prior) return labelPairs(voted, recipe.kappa)
  const sides = voted.flatMap(({ a, b }) => [a, b])
  await readSamples(recipe.prior.goals, sides, readBy(models), heeding(models))
  return labelPairs(voted, recipe.kappa, {
    prior: recipe.prior,
    scale: goalScale(recipe.prior.goals, sides),
  })
}
