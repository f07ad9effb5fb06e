import { z } from 'zod'
import { edges, sayBound } from '../bound.ts'
import { type Html, html } from '../html.ts'
import { together } from '../numbers.ts'
import { drawn } from '../plots/plot.ts'
import type { ReportData } from '../report-data.ts'
import type { Criterion } from '../schema.ts'
import { besideCriteria } from './beside.ts'
import { measureAbout, measureName } from './measure-names.ts'
import { type Section, sentence } from './section.ts'

/** Every criterion as an interval against its bound. */
export const criteria: Section = {
  name: 'What was demanded, and what came',
  about(data) {
    const prompts =
      lookOf(data) === 'sealed'
        ? 'the sealed prompts, looked at once'
        : 'the development slice; only a look at sealed prompts can confirm them'
    const limit = limitOf(data)
    const upTo = limit === undefined ? '' : ` KL and length are of completions of at most ${limit} tokens.`
    return `Measured on ${prompts}. The shaded side is allowed; a criterion is met when its whole interval lies there.${upTo}`
  },
  render(data) {
    const { verdict, evaluations, manifest } = data
    const found = verdict?.criteria ?? evaluations.at(-1)?.criteria ?? []
    if (found.length === 0) return undefined
    return html`${found.map((criterion) => row(criterion, manifest.judge?.kind === 'simulated', manifest.gold?.about))}${besideCriteria(data)}`
  },
}

/** `preferences.maxTokens`, on which KL and length depend. */
function limitOf({ manifest: { recipe } }: ReportData): number | undefined {
  return limited.safeParse(recipe).data?.preferences.sampling.maxTokens
}
const limited = z.object({ preferences: z.object({ sampling: z.object({ maxTokens: z.number() }) }) })

function lookOf({ verdict, evaluations }: ReportData) {
  return verdict?.look ?? evaluations.at(-1)?.look
}

function row(criterion: Criterion, simulated: boolean, goldAbout: string | undefined): Html {
  const { name, bound, met, n, unit, cannotTell } = criterion
  const [from, to] = edges(bound)
  const said = together(criterion)
  const about = name === 'gold' && goldAbout ? goldAbout : measureAbout(name, unit)
  const axes = {
    title: measureName(name),
    from,
    to,
    kind: met ? 'met' : 'missed',
    labels: false,
    ...(unit === 'share' ? { within: [0, 1] as const } : {}),
  }
  return html`<div class="criterion">
<div class="name">${measureName(name)} ${name === 'winRate' && simulated && html`<span class="tag">simulated votes</span>`}<small>${about}</small></div>
${drawn({ about: '', rows: [{ ...criterion, name: measureName(name), group: {} }] }, 'intervals', axes)}
<div class="value"><b>${said.estimate}</b> <span class="mark ${met ? 'met' : 'missed'}">${met ? '✓ met' : cannotTell === undefined ? '✗ not met' : '? cannot tell'}</span><small>${sayBound(bound, unit)} demanded<br>${said.interval}, ${n} ${name === 'perplexityRise' ? 'texts' : name === 'audit' ? 'tensors' : 'prompts'}</small></div>
${cannotTell !== undefined && html`<p class="small doubt">${sentence(`Cannot tell, because ${cannotTell}`)}</p>`}</div>`
}
