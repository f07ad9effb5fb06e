import { type Html, html } from '../html.ts'
import type { SampleRow } from '../schema.ts'
import type { Section } from './section.ts'

/** The first prompts, completed before and after: the prompt in grey, what the model wrote in ink. */
export const samples: Section = {
  name: 'Before and after',
  about({ samples, sampled }) {
    const slice = sampled?.look === 'sealed' ? 'sealed prompts' : 'held-out prompts'
    return `The first ${samples.length} ${slice}, in their order, nothing picked; each completed by the original model and by round ${sampled?.round ?? 1}.`
  },
  render({ samples, manifest }) {
    if (samples.length === 0) return undefined
    return html`${samples.map((sample) => samplePair(sample, manifest.judge?.kind === 'simulated'))}`
  },
}

function samplePair({ prompt, reference, policy, votes }: SampleRow, simulated: boolean): Html {
  const side = (name: string, { text, tokens, ended }: SampleRow['policy'], vote?: string) => html`<div>
<div class="side">${name}</div>
<p><span class="prompt">${prompt}</span>${text}</p>
<div class="how">${tokens} tokens, ${ended ? 'comes to its end' : 'cut off before an end'}${vote && html` · ${vote}`}</div>
</div>`
  const voted = (forThis: number, against: number) => `${simulated ? 'simulated votes' : 'votes'} ${forThis} of ${forThis + against}`
  return html`<div class="pair">
${side('before', reference, votes && voted(votes[1], votes[0]))}
${side('after', policy, votes && voted(votes[0], votes[1]))}
</div>`
}
