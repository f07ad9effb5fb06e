import type { Example, Unscored } from '../objectives/index.ts'
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
  groups: readonly (readonly Unscored[])[] = labelled.map((example) => [example]),
): Promise<Example[]> {
  const scored = new Map<Unscored, readonly number[]>()
  const parts = joined(groups)
  const total = parts.flat().reduce((n, { tree }) => n + tree.completions.length, 0)
  let bar: ReturnType<typeof begin> | undefined
  for (const part of parts) {
    signal?.throwIfAborted()
    const logps = await reference.logps(
      part.map(({ tree }) => tree),
      () => {
        signal?.throwIfAborted()
        bar ??= begin(watch, 'reference log-probabilities', total, scoredBefore())
      },
    )
    let slot = 0
    for (const example of part) scored.set(example, logps.slice(slot, (slot += example.tree.completions.length)))
    bar?.advance(logps.length)
  }
  bar?.done()
  return labelled.map((example) => ({ ...example, reference: scored.get(example) ?? [] }))

  function scoredBefore(): number {
    return [...scored.values()].reduce((n, logps) => n + logps.length, 0)
  }
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
