import { type Html, html } from '../html.ts'
import { together } from '../numbers.ts'
import { drawn } from '../plots/plot.ts'
import type { ReportData } from '../report-data.ts'
import type { Estimate } from '../schema.ts'
import { measureName } from './measure-names.ts'

/** What stands beside the criteria though no bound is on it: the gold measure, and what the judge gave to the first place. */
export function besideCriteria({ verdict, evaluations, manifest }: ReportData): Html[] {
  const last = evaluations.at(-1)
  const gold = verdict?.gold ?? last?.measures.gold
  const place = verdict?.place ?? last?.place
  const bounded = (verdict?.criteria ?? last?.criteria ?? []).some(({ name }) => name === 'gold')
  return [
    ...(gold && !bounded
      ? [row({ name: measureName('gold'), about: manifest.gold?.about ?? '', said: 'no bound demanded', measured: gold, alarm: false })]
      : []),
    ...(place
      ? [
          row({
            name: 'First place',
            about: 'share of votes for what stood first before the judge',
            said: 'half is fair',
            measured: { ...place.first, unit: 'share' },
            alarm: place.alarm,
            fair: 0.5,
          }),
        ]
      : []),
  ]
}

interface Row {
  readonly name: string
  readonly about: string
  readonly said: string
  readonly measured: Estimate
  readonly alarm: boolean
  /** Where a line is drawn instead of at zero. */
  readonly fair?: number
}

function row({ name, about, said, measured, alarm, fair }: Row): Html {
  const { estimate, interval } = together(measured)
  const line = fair === undefined ? { zero: true } : { from: fair, to: fair, within: [0, 1] as const }
  const axes = { title: name, ...line, kind: alarm ? 'missed' : 'plain', labels: false }
  return html`<div class="criterion">
<div class="name">${name}<small>${about}</small></div>
${drawn({ about: '', rows: [{ ...measured, name, group: {} }] }, 'intervals', axes)}
<div class="value"><b>${estimate}</b> ${alarm && html`<span class="mark missed">! alarm</span>`}<small>${said}<br>${interval}, ${measured.n} prompts</small></div>
</div>`
}
