import { type Html, html } from '../html.ts'
import type { SampleRow } from '../schema.ts'
import type { Section } from './section.ts'
import { type Part, wordDifference } from './word-difference.ts'

/** The first prompts, completed before and after: the prompt in grey, what differs marked. */
export const samples: Section = {
  name: 'Before and after',
  about({ samples, sampled }) {
    const slice =
      samples[0]?.slice === 'trained on' ? 'prompts trained on' : sampled?.look === 'sealed' ? 'sealed prompts' : 'held-out prompts'
    const by = sampled ? `round ${sampled.round}` : 'the trained one'
    return `The first ${samples.length} ${slice}, in their order, nothing picked; each completed by the original model and by ${by}. Marked is what the other does not say.`
  },
  render({ samples, manifest }) {
    if (samples.length === 0) return undefined
    return html`${samples.map((sample) => samplePair(sample, manifest.judge?.kind === 'simulated'))}`
  },
}

function samplePair({ prompt, talk, reference, policy, votes }: SampleRow, simulated: boolean): Html {
  const difference = wordDifference(reference.text, policy.text)
  const voted = (forThis: number, against: number) => `${simulated ? 'simulated votes' : 'votes'} ${forThis} of ${forThis + against}`
  const side = (name: 'before' | 'after', { text, tokens, ended }: SampleRow['policy'], vote?: string) => html`<div>
<div class="side">${name}</div>
<p><span class="prompt${talk && ' talk'}">${prompt}</span>${difference ? difference[name].map((part) => marked(name, part)) : text}</p>
<div class="how">${tokens} tokens, ${ended ? 'comes to its end' : 'cut off before an end'}${vote && html` · ${vote}`}${!difference && name === 'after' && ' · other words throughout'}</div>
</div>`
  return html`<div class="pair">
${side('before', reference, votes && voted(votes[1], votes[0]))}
${side('after', policy, votes && voted(votes[0], votes[1]))}
</div>`
}

function marked(name: 'before' | 'after', { text, changed }: Part): Html {
  if (!changed) return html`${text}`
  return name === 'before' ? html`<del>${text}</del>` : html`<ins>${text}</ins>`
}
