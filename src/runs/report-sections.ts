import { intervals, lineChart } from './chart.ts'
import { type Html, html } from './html.ts'
import type { ReportData } from './report-data.ts'
import { measureName, number, withInterval } from './report-measures.ts'
import type { Metrics, SampleRow } from './schema.ts'

/** The first prompts, completed before and after: the prompt in grey, what the model wrote in ink. */
export function samplesSection({ samples, sampled, manifest }: ReportData): Html | undefined {
  if (samples.length === 0) return undefined
  const slice = sampled?.look === 'sealed' ? 'sealed prompts' : 'held-out prompts'
  const simulated = manifest.judge?.kind === 'simulated'
  return html`<section>
<h2>Before and after</h2>
<p>The first ${samples.length} ${slice}, in their order, nothing picked; each completed by the original model and by round ${sampled?.round ?? 1}.</p>
${samples.map((sample) => samplePair(sample, simulated))}
</section>`
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

/** What the prior said, what the votes said, and what came of both. */
export function priorSection({ evaluations, manifest, contribution: trained }: ReportData): Html | undefined {
  const contribution = evaluations.findLast((e) => e.contribution)?.contribution ?? trained
  if (!contribution) return undefined
  const { strength, votes, bits, weights, fighting } = contribution
  const cast = manifest.judge?.kind === 'simulated' ? 'simulated votes' : 'votes'
  const about = new Map(manifest.goals.map((goal) => [goal.name, goal.about]))
  const rows = weights.map(({ goal, prior, posterior, votes, fighting }) => ({
    goal,
    fighting,
    before: around(prior.mean, prior.sd),
    alone: around(votes.mean, votes.sd),
    after: { estimate: posterior.mean, low: posterior.low, high: posterior.high },
  }))
  const ends = rows.flatMap(({ before, after }) => [before.low, before.high, after.low, after.high])
  const span = [Math.min(...ends, 0), Math.max(...ends, 0)]
  const most = Math.max(bits.prior, bits.data, 1e-9)
  const bar = (kind: string, name: string, value: number) =>
    html`<span>${name}</span><i class="${kind}" style="width:${round((100 * Math.max(value, 0)) / most)}%"></i><span>${number(value)} bits</span>`
  const saved =
    bits.saved > 0
      ? `Coded by what they taught, the ${number(votes)} ${cast} take ${number(bits.saved)} bits less than coin tosses would: they carry a preference.`
      : `Coded by what they taught, the ${number(votes)} ${cast} take no fewer bits than coin tosses would: they carry no preference, and what was learned came from the prior.`
  return html`<section>
<h2>What the prior gave, and what the data gave</h2>
<p>The prior is worth ${number(strength)} votes; ${number(votes)} ${cast} were cast. ${saved} The prior ${bits.savedByPrior >= 0 ? 'saved' : 'cost'} ${number(Math.abs(bits.savedByPrior))} bits of them.</p>
${
  fighting.length > 0 &&
  html`<div class="warning" role="note"><b>Fighting the data</b>${rows
    .filter((row) => row.fighting)
    .map(
      ({ goal, before, alone }) =>
        html`<p>The prior wants ${before.estimate < 0 ? 'less' : 'more'} ${goal} (${number(before.estimate)}), the votes by themselves say the opposite: ${withInterval(alone)}.</p>`,
    )}</div>`
}
<div class="bits">${bar('prior', 'prior', bits.prior)}${bar('posterior', 'data', bits.data)}</div>
<p class="small legend">How much each goal weighs in a vote, in log-odds per standard deviation. <span class="key prior">prior</span> <span class="key posterior">after the votes</span></p>
${rows.map(
  ({ goal, before, after, fighting }) => html`<div class="goal">
<div class="name">${goal}<small>${about.get(goal)}</small></div>
${intervals(
  [
    { ...before, kind: 'prior' },
    { ...after, kind: fighting ? 'fighting' : 'posterior' },
  ],
  { zero: true, span },
)}
<div class="value"><small>${withInterval(before)}</small><br>${withInterval(after)}</div>
</div>`,
)}
</section>`
}

function around(mean: number, sd: number): { estimate: number; low: number; high: number } {
  return { estimate: mean, low: mean - 1.96 * sd, high: mean + 1.96 * sd }
}

function round(x: number): number {
  return Math.round(100 * x) / 100
}

interface Curve {
  readonly title: string
  readonly unit: string
  readonly about: string
  readonly lines: Readonly<Record<string, string>>
}
const curves: readonly Curve[] = [
  { title: 'Loss', unit: 'per pair', about: 'what backpropagation lowers', lines: { loss: 'loss' } },
  { title: 'Bits per byte', unit: 'bits', about: 'of texts that are not trained on', lines: { bitsPerByte: 'held out' } },
  { title: 'Margin', unit: 'nats', about: 'chosen minus rejected log-ratio, not multiplied by β', lines: { margin: 'margin' } },
  {
    title: 'Log-ratios',
    unit: 'nats',
    about: 'against the original; if both fall, probability goes elsewhere',
    lines: { chosenLogRatio: 'chosen', rejectedLogRatio: 'rejected' },
  },
  { title: 'KL from the original', unit: 'nats per completion', about: 'on the training pairs', lines: { kl: 'KL' } },
  { title: 'Accuracy', unit: 'share of pairs', about: 'ranked as they were voted', lines: { accuracy: 'accuracy' } },
  {
    title: 'Gradient norm',
    unit: 'before clipping',
    about: 'Euclidean, over all trained parameters',
    lines: { gradNorm: 'gradient norm' },
  },
]
const uncharted = new Set([
  'round',
  'step',
  'lr',
  'tokensPerSecond',
  'tokens',
  'chosenTokens',
  'rejectedTokens',
  ...curves.flatMap((c) => Object.keys(c.lines)),
])

/** Training, step by step; terms of a custom loss get a chart each. */
export function curvesSection({ metrics }: ReportData): Html | undefined {
  if (metrics.length === 0) return undefined
  const custom = [...new Set(metrics.flatMap(Object.keys))].filter((key) => !uncharted.has(key))
  const there = (curve: Curve) => Object.keys(curve.lines).some((key) => metrics.some((row) => row[key] !== undefined))
  const unit = metrics[0]!.margin === undefined ? { unit: 'nats per token' } : {}
  const all = [
    ...curves.filter(there).map((curve) => (curve.lines.loss ? { ...curve, ...unit } : curve)),
    ...custom.map((key) => ({ title: key, unit: 'custom term', about: 'a term of the custom loss', lines: { [key]: key } })),
  ]
  const steps = metrics.map((row, i) => [i + 1, row] as const)
  const rounds = [...new Set(metrics.map((row) => row.round))].map((round) => steps.filter(([, row]) => row.round === round))
  const every = Math.ceil(metrics.length / 400)
  return html`<section>
<h2>Training</h2>
<p>${rounds.length > 1 && 'A dashed line is where a round starts again from the original model. '}${every > 1 && `Each point is the mean of ${every} steps.`}</p>
<div class="charts">${all.map(({ lines, ...chart }) =>
    lineChart({
      ...chart,
      series: Object.entries(lines).map(([key, name]) => ({ name, rounds: rounds.map((rows) => thin(rows, key, every)) })),
    }),
  )}</div>
</section>`
}

/** Means of so many steps each, so that a long run stays a small page. */
function thin(rows: readonly (readonly [number, Metrics])[], key: string, every: number): [number, number][] {
  const points = rows.flatMap(([x, row]) => (row[key] === undefined ? [] : [[x, row[key]] as [number, number]]))
  return Array.from({ length: Math.ceil(points.length / every) }, (_, i) => {
    const bucket = points.slice(i * every, (i + 1) * every)
    const mean = (at: 0 | 1) => bucket.reduce((sum, p) => sum + p[at], 0) / bucket.length
    return [mean(0), mean(1)]
  })
}

/** Who judged, by what, and how far judge, goals and gold go together. */
export function judgeSection({ manifest, evaluations }: ReportData): Html | undefined {
  const { judge, goals, gold } = manifest
  const correlations = evaluations.at(-1)?.correlations ?? []
  if (!judge && goals.length === 0 && correlations.length === 0) return undefined
  return html`<section>
<h2>Who judged</h2>
${judge && html`<p>${judge.name} ${judge.kind === 'simulated' ? html`<span class="tag">simulated voter</span>` : html`(${judge.kind})`}: ${judge.about}${judge.kind === 'simulated' && ' No person has voted in this run, and the win rate says what a program prefers.'}</p>`}
${
  goals.length > 0 &&
  html`<h3>Goals of the prior</h3>
<div class="scroll"><table>${goals.map((goal) => html`<tr><td>${goal.name}</td><td>${goal.direction === 1 ? '↑ more' : '↓ less'}</td><td>${goal.about}</td></tr>`)}</table></div>`
}
${gold && html`<h3>Gold measure</h3><p>${gold.name}: ${gold.about} Nothing was trained on it; no goal and no judge shares its words.</p>`}
${
  correlations.length > 0 &&
  html`<h3>How they correlate</h3>
${correlations.map(
  (c) => html`<div class="goal"><div class="name">${measureName(c.of)}<small>with ${measureName(c.with)}</small></div>
${intervals([{ ...c, kind: 'plain' }], { zero: true, span: [-1, 1] })}
<div class="value">${withInterval(c)}</div></div>`,
)}`
}
</section>`
}

export function lossSection({ manifest: { loss } }: ReportData): Html | undefined {
  return (
    loss &&
    html`<section>
<h2>The custom loss</h2>
<p>As it was written, traced and differentiated.</p>
<pre><code>${loss.text}</code></pre>
<p class="hash small">sha256 ${loss.sha256}</p>
</section>`
  )
}

/** Which rows came in, which were used, which were set aside and why. */
export function dataSection({ manifest: { data } }: ReportData): Html | undefined {
  if (data.length === 0) return undefined
  return html`<section>
<h2>Data</h2>
<div class="scroll"><table>
<tr><th>file</th><th>used as</th><th class="n">rows</th><th class="n">used</th><th>set aside</th></tr>
${data.map((file) => {
  const reasons = Object.entries(file.quarantined)
  return html`<tr><td>${file.path}</td><td>${file.role}</td><td class="n">${file.rows}</td><td class="n">${file.used}</td><td>${reasons.length === 0 ? 'none' : reasons.map(([why, n]) => `${n} ${why}`).join(', ')}</td></tr>`
})}
</table></div>
</section>`
}

/** The command that does it again, and every version, seed and hash it depends on. */
export function reproduceSection({ manifest }: ReportData): Html {
  const { command, versions, seeds, model, data, recipe } = manifest
  const rows: [string, string][] = [
    ...Object.entries(versions).map(([name, version]): [string, string] => [name, version]),
    ...Object.entries(seeds).map(([name, seed]): [string, string] => [`seed: ${name}`, String(seed)]),
    [`model ${model.name}`, `sha256 ${model.sha256}`],
    ...data.map((file): [string, string] => [file.path, `sha256 ${file.sha256}`]),
  ]
  return html`<section>
<h2>Do it again</h2>
<pre><code>${command}</code></pre>
<details><summary>Versions, seeds and hashes</summary><div class="scroll"><table>${rows.map(([name, value]) => html`<tr><td>${name}</td><td class="hash">${value}</td></tr>`)}</table></div></details>
<details><summary>The recipe</summary><pre><code>${JSON.stringify(recipe, null, 2)}</code></pre></details>
</section>`
}
