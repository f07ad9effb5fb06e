import { html } from '../html.ts'
import { number, rounded, withInterval } from '../numbers.ts'
import { drawn } from '../plots/plot.ts'
import type { ReportData } from '../report-data.ts'
import { exactly } from '../table.ts'
import type { Section } from './section.ts'

/** What the prior said, what the votes said, and what came of both. */
export const prior: Section = {
  name: 'What the prior gave, and what the data gave',
  about(data) {
    const contribution = contributionOf(data)
    if (!contribution) return ''
    const { strength, votes, bits } = contribution
    const cast = castIn(data)
    const saved =
      bits.saved > 0
        ? `they carry a preference: told one after the other by what those before them taught, they take ${number(bits.saved)} bits less than the one bit each that coin tosses take`
        : 'they carry no preference: told by what they taught, they take no fewer bits than the one bit each that coin tosses take, and what was learned came from the prior'
    const helped =
      bits.savedByPrior >= 0
        ? `Beginning with the prior saved ${number(bits.savedByPrior)} more.`
        : `Beginning with the prior cost ${number(-bits.savedByPrior)} of them again.`
    return `The prior is worth ${number(strength)} votes; ${number(votes)} ${cast} were cast, and ${saved}. ${helped}${costs(bits)}`
  },
  render(data) {
    const contribution = contributionOf(data)
    if (!contribution) return undefined
    const { bits, weights, fighting, posterior } = contribution
    const about = new Map(data.manifest.goals.map((goal) => [goal.name, goal.about]))
    const rows = weights.map(({ goal, prior, posterior, votes, fighting }) => ({
      goal,
      fighting,
      before: around(prior.mean, prior.sd),
      alone: around(votes.mean, votes.sd),
      after: { estimate: posterior.mean, low: posterior.low, high: posterior.high },
    }))
    const ends = rows.flatMap(({ before, after }) => [before.low, before.high, after.low, after.high])
    const span = [Math.min(...ends, 0), Math.max(...ends, 0)]
    const laneOf = (kind: string, at: { estimate: number; low: number; high: number }) => ({
      ...exactly(kind === 'prior' ? 'prior' : 'after the votes', 0, { kind }),
      ...at,
    })
    return html`${
      fighting.length > 0 &&
      html`<div class="warning" role="note"><b>Fighting the data</b>${rows
        .filter((row) => row.fighting)
        .map(
          ({ goal, before, alone }) =>
            html`<p>The prior wants ${before.estimate < 0 ? 'less' : 'more'} ${goal} (${number(before.estimate)}), the votes by themselves say the opposite: ${withInterval(alone)}.</p>`,
        )}</div>`
    }
${bitsOf(bits)}
${posterior && html`<p class="small legend">${foundBy(posterior)}</p>`}
<p class="small legend">How much each goal weighs in a vote, in log-odds per standard deviation. <span class="key prior">prior</span> <span class="key posterior">after the votes</span></p>
${rows.map(
  ({ goal, before, after, fighting }) => html`<div class="goal">
<div class="name">${goal}<small>${about.get(goal)}</small></div>
${drawn({ about: '', rows: [laneOf('prior', before), laneOf(fighting ? 'fighting' : 'posterior', after)] }, 'intervals', {
  title: `Weight of ${goal}`,
  zero: true,
  span,
  labels: false,
})}
<div class="value"><small>${withInterval(before)}</small><br>${withInterval(after)}</div>
</div>`,
)}`
  },
}

type Bits = NonNullable<ReportData['contribution']>['bits']

/** What the votes changed in the goals' weights, as a sum that a reader can add up: KL(posterior‖prior) is what moved and what sharpened. */
function bitsOf({ prior, data, moved, sharpened }: Bits) {
  // The sum is rounded, and its second part is what is left of it, so that the figures shown add up.
  const [total, said] = [Math.round(10 * data) / 10, Math.round(10 * moved) / 10]
  const most = Math.max(data, moved, sharpened, 1e-9)
  const row = (name: string, about: string, value: number, shown: number) =>
    html`<span>${name}<small>${about}</small></span><i class="posterior" style="width:${rounded((100 * Math.max(value, 0)) / most)}%"></i><span class="n">${bitsSaid(shown)}</span>`
  return html`<p class="small legend">How much the votes changed what is known about the weights. The prior itself says which way the goals point: it makes these directions 2<sup>${bitsSaid(prior, '')}</sup> times as likely as no prior would.</p>
<div class="bits">${row('what the votes said', 'the weights’ means moved', moved, said)}${row('that votes were cast', 'the weights’ spread shrank', sharpened, total - said)}<b>together</b><i></i><b class="n">${bitsSaid(total)}</b></div>`
}

/** What the votes cost in the end, as a sum. */
function costs({ code, left, data }: Bits): string {
  if (code === undefined || left === undefined) return ''
  const [all, taught] = [Math.round(10 * code) / 10, Math.round(10 * data) / 10]
  return ` So they take ${bitsSaid(all)}: ${bitsSaid(taught, '')} for what they teach about the weights, and ${bitsSaid(all - taught, '')} that the weights leave open.`
}

function foundBy(found: NonNullable<NonNullable<ReportData['contribution']>['posterior']>): string {
  if (found.method === 'hmc')
    return `The weights after the votes are drawn by HMC, because ${found.because}: R̂ ${found.rHat.toFixed(3)}, ${Math.round(found.effectiveDraws)} effective draws.`
  const { meanOff, paretoK } = found
  const checked =
    meanOff === undefined
      ? ''
      : `, which importance weights find good: the mean is off by ${meanOff.toFixed(2)} deviations at most${paretoK == null ? '' : `, k̂ is ${paretoK.toFixed(2)}`}`
  return `The weights after the votes are found by Newton and Laplace${checked}.`
}

function bitsSaid(x: number, unit = ' bits'): string {
  return `${(Math.abs(x) < 0.05 ? 0 : x).toFixed(1).replace('-', '−')}${unit}`
}

function contributionOf({ evaluations, contribution }: ReportData) {
  return evaluations.findLast((e) => e.contribution)?.contribution ?? contribution
}

function castIn({ manifest }: ReportData): string {
  return manifest.judge?.kind === 'simulated' ? 'simulated votes' : 'votes'
}

function around(mean: number, sd: number): { estimate: number; low: number; high: number } {
  return { estimate: mean, low: mean - 1.96 * sd, high: mean + 1.96 * sd }
}
