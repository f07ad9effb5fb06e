import { edges, sayBound } from './bound.ts'
import { intervals } from './chart.ts'
import { type Html, html } from './html.ts'
import type { ReportData } from './report-data.ts'
import type { Criterion, Estimate } from './schema.ts'

/** What a measure is called and what it says, where its own name is too short. */
const measures: Readonly<Record<string, readonly [name: string, about: string]>> = {
  winRate: ['Win rate', 'share of comparisons with the original model that the judge decides for the trained one, ties ½'],
  klFromReference: ['KL from the original', 'how far it moved, nats per completion'],
  utility: ['Hidden utility', 'what the simulated voter really wants, log-odds against the original'],
  perplexityRise: ['Perplexity rise', 'on held-out text, 0.05 is 5 %'],
  lengthRatio: ['Length ratio', 'mean tokens against the original'],
  shareEnded: ['Share that end', 'completions that come to an end by themselves'],
  gold: ['Gold measure', 'what nothing was trained on, rise in standard deviations'],
}

export function measureName(name: string): string {
  return measures[name]?.[0] ?? name
}

/** Three significant digits, without an exponent where a person would not write one. */
export function number(x: number): string {
  if (x === 0) return '0'
  const digits = Math.abs(x) >= 1000 ? Math.round(x) : Number(x.toPrecision(3))
  return String(digits).replace('-', '−')
}

/** An estimate and its interval with the same number of decimals, as many as the interval's width makes worth reading. */
export function together({ estimate, low, high }: Pick<Estimate, 'estimate' | 'low' | 'high'>): { estimate: string; interval: string } {
  const width = high - low
  const decimals = width > 0 ? Math.min(4, Math.max(0, 1 - Math.floor(Math.log10(width)))) : 2
  const say = (x: number) => x.toFixed(decimals).replace('-', '−')
  return { estimate: say(estimate), interval: `[${say(low)}, ${say(high)}]` }
}

export function withInterval(measured: Pick<Estimate, 'estimate' | 'low' | 'high'>): string {
  const { estimate, interval } = together(measured)
  return `${estimate} ${interval}`
}

/** Every criterion as an interval against its bound. */
export function criteriaSection({ verdict, evaluations, manifest }: ReportData): Html | undefined {
  const criteria = verdict?.criteria ?? evaluations.at(-1)?.criteria ?? []
  if (criteria.length === 0) return undefined
  const look = verdict?.look ?? evaluations.at(-1)?.look
  const prompts =
    look === 'sealed' ? 'the sealed prompts, looked at once' : 'the development slice; only a look at sealed prompts can confirm them'
  return html`<section>
<h2>What was demanded, and what came</h2>
<p>Measured on ${prompts}. The shaded side is allowed; a criterion is met when its whole interval lies there.</p>
${criteria.map((criterion) => criterionRow(criterion, manifest.judge?.kind === 'simulated', manifest.gold?.about))}
</section>`
}

function criterionRow(criterion: Criterion, simulated: boolean, goldAbout: string | undefined): Html {
  const { name, bound, met, estimate, low, high, n } = criterion
  const [from, to] = edges(bound)
  const said = together(criterion)
  const about = name === 'gold' && goldAbout ? goldAbout : (measures[name]?.[1] ?? unit(criterion.unit))
  return html`<div class="criterion">
<div class="name">${measureName(name)} ${name === 'winRate' && simulated && html`<span class="tag">simulated votes</span>`}<small>${about}</small></div>
${intervals([{ estimate, low, high, kind: met ? 'met' : 'missed' }], { from, to, ...(criterion.unit === 'share' ? { within: [0, 1] as const } : {}) })}
<div class="value"><b>${said.estimate}</b> <span class="mark ${met ? 'met' : 'missed'}">${met ? '✓ met' : '✗ not met'}</span><small>${sayBound(bound, criterion.unit)} demanded<br>${said.interval}, ${n} prompts</small></div>
</div>`
}

/** One row a look, so that one sees what the rounds did. */
export function roundsSection({ evaluations, verdict }: ReportData): Html | undefined {
  if (evaluations.length === 0) return undefined
  const names = [...new Set(evaluations.flatMap((e) => Object.keys(e.measures)))]
  return html`<section>
<h2>Round by round</h2>
<p>Every round starts from the original model. Rounds are compared on a development slice; the sealed prompts are looked at once, at the end.</p>
<div class="scroll"><table>
<tr><th>look</th><th class="n">prompts</th>${names.map((name) => html`<th class="n">${measureName(name)}</th>`)}<th class="n">criteria met</th></tr>
${evaluations.map(
  (e) =>
    html`<tr class="${e.look === verdict?.look && e.round === verdict.round ? 'chosen' : ''}"><td>round ${e.round}${e.look === 'sealed' && ', sealed'}</td><td class="n">${e.prompts}</td>${names.map(
      (name) => {
        const m = e.measures[name]
        return html`<td class="n">${m ? together(m).estimate : '–'}<br><small>${m && together(m).interval}</small></td>`
      },
    )}<td class="n">${e.criteria.filter((c) => c.met).length} of ${e.criteria.length}</td></tr>`,
)}
</table></div>
</section>`
}

function unit(unit: string): string {
  return { sd: 'rise in standard deviations', share: 'share', ratio: 'ratio', nats: 'nats' }[unit] ?? unit
}
