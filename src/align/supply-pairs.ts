import type { Example } from '../objectives/index.ts'
import type { FromFile, Recipe } from '../recipe/recipe.ts'
import type { ContributionRow } from '../runs/index.ts'
import type { Supply } from './loop.ts'
import type { Models } from './open-models.ts'
import { openPreferences } from './open-preferences.ts'
import { dealHeldOut } from './pairs-held-out.ts'
import { apartFrom, type ShutdownHeldOut } from './shutdown-held-out.ts'
import type { Watch } from './watch.ts'

/** The pairs of a file that are like none that is held out: each round trains on all of them once more. */
export async function pairSupply(recipe: Recipe, from: FromFile, held: ShutdownHeldOut, models: Models, watch: Watch): Promise<Supply> {
  const source = await openPreferences(from, recipe, models, watch, (prompts) => apartFrom(held, prompts))
  const { near } = source
  if (near > 0) watch.note?.(`${from.pairs}: ${near} rows are near duplicates of held-out ones and are not trained on`)
  const heldOut = from.heldOut > 0 ? dealHeldOut(from, source.heldOutRows, source.promptText, recipe) : undefined
  let made: { examples: readonly Example[]; contribution?: ContributionRow } | undefined
  return {
    data: source.data,
    stream: { kind: 'fixed' },
    counts: async () => [await source.count()],
    inside: source.inside,
    async group() {
      made ??= await source.examples()
      return made.examples
    },
    work: () => source.work({ done: 0, until: undefined }),
    contribution: () => made?.contribution,
    ...(heldOut ? { heldOut } : {}),
  }
}
