import { figure, html, type Page } from '../runs/index.ts'
import type { Quality } from './autoencoder-quality.ts'
import type { FeatureUse } from './sae-features.ts'

/** Features that a page has room for. */
const most = 40

/** A page that shows how often features are used, and the texts where the weightiest are strongest. */
export function featuresPage(
  { model, tap, texts }: { readonly model: string; readonly tap: string; readonly texts: number },
  features: readonly FeatureUse[],
  { varianceExplained, l0, dead, tokens }: Quality,
): Page {
  const used = features.filter(({ max }) => max > 0)
  const shown = used.toSorted((a, b) => b.weight - a.weight).slice(0, most)
  const share = (x: number) => `${(100 * x).toFixed(x < 0.001 ? 3 : x < 0.01 ? 2 : 1)} %`
  const { estimate, low, high } = varianceExplained
  return {
    title: 'Features',
    eyebrow: [model, tap, `${features.length} features`],
    lead: `${estimate.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}] of the variance comes back from ${l0.estimate.toFixed(1)} features a token; ${dead === 0 ? 'every feature is used' : `${dead} features are never used`} on these ${texts} texts.`,
    facts: [
      ['texts', texts],
      ['tokens', tokens.toLocaleString('en-US')],
      ['features a token', l0.estimate.toFixed(1)],
      ['never used', dead],
    ],
    sections: [
      ...(used.length > 1
        ? [
            {
              name: 'How often',
              about:
                'The share of tokens that each feature is above 0 of, by its power of ten. Far left are features of rare things, far right those that say little.',
              content: html`<div class="narrow">${figure(
                {
                  about: 'share of tokens',
                  rows: [{ ...l0, name: 'features', group: {}, values: used.map(({ frequency }) => Math.log10(frequency.estimate)) }],
                },
                'histogram',
                { title: 'Features by frequency', unit: 'features', xLabel: 'log10 of the share of tokens', span: [1] },
              )}</div>`,
            },
          ]
        : []),
      {
        name: 'Strongest',
        about: `The ${shown.length} features with the largest share of all squared activations, each with the strongest token of the texts where it is largest.`,
        content: html`${shown.map(
          ({ feature, frequency, weight, max, top }) => html`<h3>Feature ${feature}</h3>
<p class="small">on ${share(frequency.estimate)} [${share(frequency.low)}, ${share(frequency.high)}] of tokens; ${share(weight)} of squared activations</p>
<div class="scroll" tabindex="0"><table class="contexts"><tbody>${top.map(
            ({ before, token, after, activation }) =>
              html`<tr><td class="n">${activation.toFixed(2)}</td><td>${before}<mark style="--share: ${Math.round((100 * activation) / max)}%">${token}</mark>${after}</td></tr>`,
          )}</tbody></table></div>`,
        )}`,
      },
    ],
  }
}
