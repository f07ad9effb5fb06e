import { type Html, html } from './html.ts'
import { number } from './numbers.ts'
import { pageFrame } from './page.ts'
import { type ReportData, readReport } from './report-data.ts'
import type { Run } from './run.ts'
import { sections } from './sections/index.ts'
import { judgeSaid } from './sections/judge.ts'
import { type Section, sentence } from './sections/section.ts'

/** Writes `report.html` from what is in the run folder. */
export async function writeReport(run: Run, options: { samples?: number } = {}): Promise<string> {
  await run.write('report.html', renderReport(await readReport(run, options)))
  return run.path('report.html')
}

/**
 * One self-contained page about a run, verdict first: no script, no font, nothing that is fetched.
 * Every text that came from outside is escaped. `among` are the sections, in their order.
 */
export function renderReport(data: ReportData, among: readonly Section[] = sections): string {
  const { manifest } = data
  const shown = among.flatMap(({ name, about, render }) => {
    const content = render(data)
    return content ? [{ name, about: typeof about === 'string' ? about : about(data), content }] : []
  })
  return pageFrame({
    title: `${manifest.name}: ${headline(data).word}`,
    head: head(data),
    sections: shown,
    footer: `Written by Innate ${manifest.versions.innate} from what is in the run folder. Intervals are 95 %; what they count as independent are prompts, not completions.`,
  })
}

function head(data: ReportData): Html {
  const { manifest, verdict } = data
  const { word, kind, lead, more } = headline(data)
  return html`<header>
<p class="eyebrow"><b>${manifest.name}</b><span>${manifest.kind === 'align' ? 'alignment run' : 'training run'}</span><span>${day(manifest.started)}</span>${
    manifest.judge?.kind === 'simulated' && html`<span class="tag">simulated voter, no people</span>`
  }</p>
<h1 class="${kind}">${word}</h1>
<p class="lead">${sentence(lead)}</p>
${more.length > 0 && html`<ul class="reasons">${more.map((reason) => html`<li>${sentence(reason)}</li>`)}</ul>`}
<dl class="facts">
${fact('model', `${manifest.model.name}, ${count(manifest.model.parameters)} parameters${trained(data)}${types(data)}`)}
${fact('objective', [manifest.objective.name, ...Object.entries(manifest.objective.params).map(([k, v]) => `${k} ${say(v)}`)].join(', '))}
${manifest.judge && fact('judge', judgeSaid(manifest.judge))}
${verdict && fact('rounds', `${verdict.rounds}`)}
${fact('optimizer steps', `${data.metrics.length}`)}
${manifest.ended && fact('took', took(manifest.started, manifest.ended))}
</dl>
</header>`
}

function headline({ manifest, verdict, metrics }: ReportData): { word: string; kind: string; lead: string; more: readonly string[] } {
  if (verdict) {
    const [lead = '', ...more] = verdict.reasons
    const kind = { accepted: 'accepted', rejected: 'rejected', 'out of budget': 'budget', 'cannot tell': 'budget' }[verdict.verdict]
    return { word: `${verdict.verdict.charAt(0).toUpperCase()}${verdict.verdict.slice(1)}`, kind, lead, more }
  }
  const [first, last] = [metrics[0], metrics.at(-1)]
  if (!first || !last) return { word: 'Not begun', kind: 'budget', lead: 'No optimizer step has been taken in this run yet.', more: [] }
  const lead =
    rewarded(metrics) ??
    `${metrics.length} steps took the loss from ${number(first.loss)} to ${number(last.loss)}${whatElse(metrics, manifest)}.`
  if (!manifest.ended) return { word: 'Unfinished', kind: 'budget', lead, more: [] }
  return { word: 'Trained', kind: 'trained', lead, more: ['Training alone gives no verdict: that takes criteria on held-out prompts.'] }
}

/** Of a policy gradient, whose loss says nothing by itself: the rewards, and what the log says of its steps. */
function rewarded(metrics: ReportData['metrics']): string | undefined {
  const { clipShare, kl } = metrics.at(-1)!
  if (clipShare === undefined) return undefined
  const mean = metrics.reduce((sum, { reward = 0 }) => sum + Number(reward), 0) / metrics.length
  const moved = kl === undefined ? '' : `, ${number(kl)} nats a completion from the original`
  return `${metrics.length} steps of policy gradient on completions whose mean reward is ${number(mean)}; at the last ${Math.round(100 * Number(clipShare))} % of the ratios were clipped${moved}.`
}

/** What the last step says beside its loss. */
function whatElse(metrics: ReportData['metrics'], { objective }: ReportData['manifest']): string {
  const labelled = (objective.kind ?? 'pairs') !== 'pairs'
  const { margin, accuracy, rewardMargin, stepAccuracy } = metrics.at(-1)!
  if (stepAccuracy !== undefined)
    return ` nats a step; ${Math.round(100 * stepAccuracy)} % of the last step's scores have the sign of their label`
  if (objective.kind === 'scoredLabels' && accuracy !== undefined)
    return ` nats a completion; ${Math.round(100 * accuracy)} % of the last step's scores have the sign of their label`
  if (rewardMargin !== undefined && accuracy !== undefined)
    return ` nats a pair and the margin of the scores to ${number(rewardMargin)} log-odds; ${Math.round(100 * accuracy)} % of the last step's pairs are ranked as they were voted`
  if (margin !== undefined && accuracy !== undefined)
    return labelled
      ? ` and the margin to ${number(margin)} nats; ${Math.round(100 * accuracy)} % of the last step's completions are on the side of their label`
      : ` and the margin to ${number(margin)} nats; ${Math.round(100 * accuracy)} % of the last step's pairs are ranked as they were voted`
  const measured = metrics.findLast((row) => row.bitsPerByte !== undefined)
  return ` nats a token${measured ? `; held-out texts cost ${number(measured.bitsPerByte!)} bits a byte` : ''}`
}

function trained({ manifest: { model } }: ReportData): string {
  return model.trained !== undefined && model.trained !== model.parameters ? `, ${count(model.trained)} of them trained` : ''
}

function types({ manifest: { model } }: ReportData): string {
  return model.types ? `; its weights come as ${model.types.join(', ')}, and are made f32 to be computed with` : ''
}

function fact(name: string, value: string): Html {
  return html`<div><dt>${name}</dt><dd>${value}</dd></div>`
}

function say(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : JSON.stringify(value)
}

function count(n: number): string {
  if (n >= 1e9) return `${(n / 1e9).toFixed(1)} billion`
  if (n >= 1e6) return `${(n / 1e6).toFixed(1)} million`
  return n.toLocaleString('en')
}

function day(iso: string): string {
  return `${iso.slice(0, 10)}, ${iso.slice(11, 16)} UTC`
}

function took(from: string, to: string): string {
  const seconds = Math.round((Date.parse(to) - Date.parse(from)) / 1000)
  return seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
