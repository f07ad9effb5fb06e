import type { Recipe } from './recipe.ts'

/**
 * Whether looks measure pairs that nothing is trained on: the reference's first two completions of each prompt, with the judge's votes. They are
 * there where looks have two completions a prompt or more, and are made where a bound names what is measured of them.
 */
export function pairsMeasured({ preferences, look, accept, stop }: Pick<Recipe, 'preferences' | 'look' | 'accept' | 'stop'>): boolean {
  if (preferences.kind !== 'onPolicy' || preferences.judge.kind === 'votes') return false
  const named = [accept, stop.guards ?? {}].some((bounds) =>
    ['preferenceAccuracy', 'displacement'].some((name) => Object.hasOwn(bounds, name)),
  )
  return named || look.perPrompt >= 2
}

/** How many completions of a look's prompt the reference writes. */
export function referencePerPrompt(recipe: Pick<Recipe, 'preferences' | 'look' | 'accept' | 'stop'>): number {
  return pairsMeasured(recipe) ? Math.max(2, recipe.look.perPrompt) : recipe.look.perPrompt
}
