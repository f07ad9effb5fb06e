import { figure, html, type MeasureRow, type Page } from '../runs/index.ts'
import { beatsControls, type Dose, type SteerFound } from './steer.ts'

/** A page with the dose–response curves of steering, what they cost, and the controls. */
export function steerPage(model: string, found: SteerFound): Page {
  const { doses, chosen, controls, rows } = found
  const layers = [...new Set(doses.map(({ layer }) => layer))]
  const of = (what: 'effect' | 'coherence', one: Dose): MeasureRow => {
    const { estimate, low, high, n, unit } = one[what]
    return { estimate, low, high, n, unit, name: `block ${one.layer}`, group: { layer: one.layer, strength: one.strength } }
  }
  const origin = (layer: number): MeasureRow => ({ estimate: 0, low: 0, high: 0, n: 1, unit: 'nats per token', name: `block ${layer}`, group: { layer, strength: 0 } }) // biome-ignore format: one line
  const curve = (what: 'effect' | 'coherence', shown: readonly number[]) =>
    shown.flatMap((layer) => [...doses.filter((one) => one.layer === layer).map((one) => of(what, one)), origin(layer)].sort((a, b) => Number(a.group.strength) - Number(b.group.strength))) // biome-ignore format: one line
  const axes = (title: string, about: string) => ({ title, unit: 'nats per token', about, x: 'strength', series: 'name' })
  // Curves of more than four blocks hide each other.
  const shown = [...new Set([...(chosen ? [chosen.layer] : []), ...layers.filter((_, i) => i % Math.ceil(layers.length / 4) === 0)])].slice(0, 4).sort((a, b) => a - b) // biome-ignore format: one line
  const at = chosen && `block ${chosen.layer}, strength ${chosen.strength}`
  const between = ({ estimate, low, high }: { estimate: number; low: number; high: number }) =>
    `${estimate.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`
  const bars: MeasureRow[] = chosen && controls ? Object.entries({ 'the direction': chosen.effect, 'random, as long': controls.random, 'labels shuffled': controls.shuffled, 'sign flipped': controls.flipped }).map(([name, { estimate, low, high, n, unit }]) => ({ name, group: {}, estimate, low, high, n, unit })) : [] // biome-ignore format: one line
  return {
    title: 'Steering',
    eyebrow: [model, `${layers.length} blocks`, `${new Set(doses.map(({ strength }) => strength)).size} strengths`],
    lead: chosen
      ? `At ${at} the positive texts become likelier than the negative ones by ${between(chosen.effect)} nats per token; a token of unrelated text costs ${between(chosen.coherence)} more.${beatsControls(found) ? '' : ' A random direction or shuffled labels do nearly as much, so that this one steers is not shown.'}`
      : 'No strength after any block surely makes the positive texts likelier while the model still reads unrelated text: this direction does not steer it.',
    facts: [
      ['rows fitted on', rows.fit.join(' + ')],
      ['to choose on', rows.choose.join(' + ')],
      ['to measure on', rows.measure.join(' + ')],
      ['unrelated texts', rows.texts],
    ],
    sections: [
      {
        name: 'Dose and response',
        about:
          'How much the difference between positive and negative texts rises, by strength, on rows that were neither fitted on nor chosen by, with 95 % intervals.',
        content: html`<div class="narrow">${figure({ about: 'effect of steering by strength', rows: curve('effect', shown) }, 'lines', axes('Effect', 'rise of logp(positive) − logp(negative) on rows to measure on'))}</div>`, // biome-ignore format: one line
      },
      {
        name: 'Coherence',
        about: 'What a token of unrelated text costs more. Where it rises, the model is being broken and not steered.',
        content: html`<div class="narrow">${figure({ about: 'cost of unrelated text by strength', rows: curve('coherence', shown) }, 'lines', axes('Cost of unrelated text', 'rise of −logp on unrelated texts'))}</div>`, // biome-ignore format: one line
      },
      ...(bars.length > 0
        ? [
            {
              name: 'Controls',
              about: `The same effect at ${at} with directions that should not have it: of five random ones, and of five from shuffled labels, the one that does most; and the direction the other way round, which should do the opposite.`,
              content: html`<div class="narrow">${figure({ about: 'effect of the direction and of controls', rows: bars }, 'intervals', { title: 'Effect', unit: 'nats per token', about: 'on rows to measure on', zero: true })}</div>`, // biome-ignore format: one line
            },
          ]
        : []),
    ],
  }
}
