import { html } from '../html.ts'
import type { Section } from './section.ts'

/** The custom loss. */
export const loss: Section = {
  name: 'The custom loss',
  about: 'Traced and differentiated as it stands here.',
  render: ({ manifest: { loss } }) => loss && html`<pre><code>${loss.text}</code></pre><p class="hash small">sha256 ${loss.sha256}</p>`,
}
