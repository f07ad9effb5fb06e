import type { Tree } from '../policy/index.ts'

/** Some positions one after the other. */
export interface Span {
  readonly at: number
  readonly length: number
}

/** Where the tokens of a tree that begins at a position lie: its prompt, then of each completion all but the last, which no position holds. */
export function spansOf({ prompt, completions }: Tree, at: number): { readonly prompt: Span; readonly completions: readonly Span[] } {
  let next = at + prompt.length
  const branches = completions.map(({ length }) => {
    const span = { at: next, length: Math.max(0, length - 1) }
    next += span.length
    return span
  })
  return { prompt: { at, length: prompt.length }, completions: branches }
}
