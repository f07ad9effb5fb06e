import { exactly, figure, html, type Page } from '../runs/index.ts'
import type { Why } from './why.ts'

/** A page that says which parts carry a difference and what they are worth. */
export function whyPage(said: { model: string; text: string; answer: string; wrong: string }, found: Why): Page {
  const { model, text, answer, wrong } = said
  const { parts, kept, ablated, random, finding, difference } = found
  const percent = (share: number) => `${Math.round(100 * share)} %`
  const rows = [
    exactly('kept alone', kept.share, {}, 'share'),
    { ...random.kept, name: `kept alone, ${random.kept.n} random sets`, group: {} },
    exactly('lost without', ablated.share, {}, 'share'),
    { ...random.lost, name: `lost without, ${random.lost.n} random sets`, group: {} },
  ]
  return {
    title: finding === 'explained' ? 'Explained' : 'Cannot tell',
    eyebrow: [model, `${parts.length} parts`],
    lead: `Why ${JSON.stringify(answer)} and not ${JSON.stringify(wrong)}? These parts alone keep ${percent(kept.share)} of the logit difference of ${difference.toFixed(2)}, and without them ${percent(ablated.share)} is lost.`,
    sections: [
      { name: 'The text', content: html`<p>${text}</p>` },
      {
        name: 'The parts',
        about: 'Ordered by the share of the difference that is lost when the part alone is ablated.',
        content: html`<table><thead><tr><th scope="col">part</th><th scope="col" class="n">lost alone</th></tr></thead><tbody>${parts.map(({ words, effect }) => html`<tr><td>${words}</td><td class="n">${percent(effect)}</td></tr>`)}</tbody></table>`,
      },
      {
        name: 'What they are worth',
        about: 'Beside random sets of as many heads, MLPs and tokens; intervals are of the mean over the sets.',
        content: figure({ about: 'shares of the logit difference', rows }, 'intervals', {
          title: 'Share of the logit difference',
          y: 'name',
          span: [0, 1],
        }),
      },
    ],
  }
}
