import { html } from '../html.ts'
import type { Section } from './section.ts'

/** The custom loss. */
export const loss: Section = {
  name: 'The custom loss',
  about: ({ manifest: { loss } }) =>
    loss?.asWritten
      ? 'As it was written; it was traced and differentiated.'
      : 'As JavaScript ran it, after its loader; it was traced and differentiated.',
  render: ({ manifest: { loss } }) => loss && html`<pre><code>${loss.text}</code></pre><p class="hash small">sha256 ${loss.sha256}</p>`,
}
