import type { Example, Unscored } from '../objectives/index.ts'
import type { Reference } from '../policy/reference.ts'
import { begin, type Watch } from './watch.ts'

/** Adds the reference's log-probabilities to labelled trees: computed once, at the start, and kept by content. */
export async function withReference(labelled: readonly Unscored[], reference: Reference, watch: Watch): Promise<Example[]> {
  const total = labelled.reduce((n, { tree }) => n + tree.completions.length, 0)
  let bar: ReturnType<typeof begin> | undefined
  let shown = 0
  const logps = await reference.logps(
    labelled.map(({ tree }) => tree),
    (done, of) => {
      bar ??= begin(watch, 'reference log-probabilities', total)
      const now = Math.round((total * done) / of)
      bar.advance(now - shown)
      shown = now
    },
  )
  bar?.done()
  let slot = 0
  return labelled.map((example) => ({ ...example, reference: example.tree.completions.map(() => logps[slot++]!) }))
}
