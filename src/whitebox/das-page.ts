import { type Estimate, figure, html, type Page } from '../runs/index.ts'
import type { DasFound } from './das.ts'

/** A page that shows what a subspace of each tap carries, beside its controls. */
export function dasPage(model: string, found: readonly DasFound[]): Page {
  const explained = found.filter(({ finding }) => finding === 'explained')
  const best = (explained.length > 0 ? explained : found).reduce((a, b) => (b.iia.low > a.iia.low ? b : a))
  const { k, rows } = best
  const bars = (one: DasFound) =>
    Object.entries({
      'the subspace found': one.iia,
      'arbitrary labels': one.controls.arbitrary,
      'fresh weights': one.controls.reinitialised,
      'random subspaces': one.controls.random,
      'nothing interchanged': one.none,
      'the whole vector': one.whole,
    }).map(([name, estimate]) => ({ ...estimate, name, group: {} }))
  return {
    title: explained.length > 0 ? 'A subspace that carries it' : 'No subspace is shown',
    eyebrow: [model, `${k} of ${best.basis[0]!.length} dimensions`, 'distributed alignment search'],
    lead: `At ${best.tap}, taking ${k === 1 ? 'one direction' : `${k} dimensions`} from the source text makes its answer the likelier one on ${between(best.iia)} of the rows held out. ${
      explained.length > 0
        ? 'Every control stays below that interval.'
        : 'A control does as well, or may do: that a subspace carries the answer is not shown.'
    }`,
    facts: [
      ['rows fitted on', rows.fit],
      ['held out', rows.heldOut],
      ['what is new in those', rows.split === 'texts' ? 'both texts' : 'the pair of texts alone'],
    ],
    sections: [
      ...found.map((one) => ({
        name: one.tap,
        about: `${one.finding === 'explained' ? 'Explained' : 'Cannot tell'}: the share of rows held out whose answer becomes the likelier one, with 95 % intervals.`,
        content: figure({ about: 'interchange intervention accuracy', rows: bars(one) }, 'intervals', { title: 'Accuracy', y: 'name', span: [0, 1], within: [0, 1] }), // biome-ignore format: one line
      })),
      {
        name: 'What the controls are',
        content: html`<ul><li><b>arbitrary labels</b>: the same search after the answers of half of the rows were exchanged by chance</li><li><b>fresh weights</b>: the same search in the model before any training</li><li><b>random subspaces</b>: ten of as many dimensions, moved in as far; the mean over them</li><li><b>nothing</b> and <b>the whole vector</b>: between these two a subspace can do something</li></ul>`,
      },
    ],
  }
}

function between({ estimate, low, high }: Estimate): string {
  return `${estimate.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`
}
