import { type Example, type Objective, prefixesOf, type Unscored } from '../objectives/index.ts'
import type { Recipe } from '../recipe/recipe.ts'
import type { Models } from './open-models.ts'
import { begin, type Watch } from './watch.ts'

/** How many examples are scored at a time, at least: what is done is kept, and Ctrl-C is heard, after each of these. */
const atATime = 16

/**
 * Adds the reference's log-probabilities to labelled trees: computed once and kept by content. They are scored in the groups given, in
 * their order, so that what is scored together does not depend on where a run was stopped; what is in no group gets none.
 */
export async function withReference(
  labelled: readonly Unscored[],
  { reference, signal }: Pick<Models, 'reference' | 'signal'>,
  watch: Watch,
  { needs }: Pick<Objective, 'needs'>,
  groups: readonly (readonly Unscored[])[] = labelled.map((example) => [example]),
): Promise<Example[]> {
  const scored = new Map<Unscored, Pick<Example, 'reference' | 'prefixes'>>()
  const prefixed = needs.includes('prefixes')
  const parts = joined(groups)
  const total = parts.flat().reduce((n, { tree }) => n + tree.completions.length, 0)
  let bar: ReturnType<typeof begin> | undefined
  for (const part of parts) {
    signal?.throwIfAborted()
    const trees = part.flatMap(({ tree }) => (prefixed ? [tree, prefixesOf(tree)] : [tree]))
    const logps = await reference.logps(trees, () => {
      signal?.throwIfAborted()
      bar ??= begin(watch, 'reference log-probabilities', total, scoredBefore())
    })
    let slot = 0
    const next = (count: number) => logps.slice(slot, (slot += count))
    for (const example of part) {
      const count = example.tree.completions.length
      scored.set(example, { reference: next(count), ...(prefixed ? { prefixes: next(count) } : {}) })
    }
    bar?.advance(part.reduce((n, { tree }) => n + tree.completions.length, 0))
  }
  bar?.done()
  return labelled.map((example) => ({ ...example, ...(scored.get(example) ?? { reference: [] }) }))

  function scoredBefore(): number {
    return [...scored.values()].reduce((n, { reference }) => n + reference.length, 0)
  }
}

/** What an example has of the prior: its word on each completion, and in nats where the recipe tilts the reference by it. */
export function priorParts(
  { tiltReference, objective }: Pick<Recipe, 'tiltReference' | 'objective'>,
  prior: readonly number[],
): Pick<Example, 'prior' | 'tilt'> {
  return { prior, ...(tiltReference ? { tilt: prior.map((said) => said / Number(objective.params.beta)) } : {}) }
}

/** Groups put together until each is large enough. */
function joined(groups: readonly (readonly Unscored[])[]): Unscored[][] {
  const parts: Unscored[][] = []
  for (const group of groups) {
    if (parts.length === 0 || parts.at(-1)!.length >= atATime) parts.push([])
    parts.at(-1)!.push(...group)
  }
  return parts
}
