import { stopMeasures, stopRisk } from '../accept/index.ts'
import type { Recipe } from '../recipe/recipe.ts'
import type { Estimate, Evaluation } from '../runs/index.ts'

/** What the stop rules of a recipe read, with the intervals of their part of the risk; nothing where it has none. */
export function stopsOf(
  { rounds, stop, gold }: Pick<Recipe, 'rounds' | 'stop' | 'gold'>,
  measures: Readonly<Record<string, Estimate>>,
  at: (risk: number) => Readonly<Record<string, Estimate>>,
): Pick<Evaluation, 'stops'> {
  const rules = { rounds, ...stop, gold: gold !== undefined }
  const names = stopMeasures(rules)
  if (names.length === 0) return {}
  const wide = at(stopRisk(rules))
  const found = names.flatMap((name) =>
    wide[name] ? [[name, wide[name]] as const] : measures[name] ? [[name, measures[name]] as const] : [],
  )
  return { stops: Object.fromEntries(found) }
}
