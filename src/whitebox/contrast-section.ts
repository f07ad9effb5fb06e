import { fixed, html, type PageSection } from '../runs/index.ts'
import type { Gap } from './contrast.ts'

/** A contrast as pages show it. */
export interface SaidContrast {
  readonly model: string
  /** Vocabulary pieces of both texts. */
  readonly clean: readonly string[]
  readonly corrupted: readonly string[]
  readonly answer: string
  readonly wrong: string
  readonly gap: Gap
}

/** Both texts, with what differs in bold. */
export function contrastSection(clean: readonly string[], corrupted: readonly string[]): PageSection {
  const marked = (pieces: readonly string[], other: readonly string[]) =>
    pieces.map((piece, i) => (piece === other[i] ? html`<span>${piece} </span>` : html`<b>${piece} </b>`))
  return {
    name: 'The two texts',
    about: 'What differs is bold. The metric is the logit of the answer less that of the wrong one, at the last position.',
    content: html`<table><tbody><tr><th scope="row">clean</th><td>${marked(clean, corrupted)}</td></tr><tr><th scope="row">corrupted</th><td>${marked(corrupted, clean)}</td></tr></tbody></table>`,
  }
}

/** The metric on both texts. */
export function gapFacts({ clean, corrupted }: Gap): [string, string][] {
  return [
    ['clean, nats', fixed(clean, 2)],
    ['corrupted, nats', fixed(corrupted, 2)],
  ]
}
