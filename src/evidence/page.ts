import { figure, type Html, html, type Page, type PageSection, type Table } from '../runs/index.ts'
import { type Claim, verdicts } from './claim.ts'
import { say, sayInterval } from './paragraph.ts'
import type { Result } from './result.ts'

/** One set of seeds of a claim, as a page shows it. */
export interface ShownResult {
  readonly result: Result
  readonly table: Table
}

/** The page of one claim: verdicts, figures, controls, and how it was decided beforehand. */
export function claimPage(claim: Claim, shown: readonly ShownResult[]): Page {
  const last = shown.at(-1)!
  return {
    title: capital(last.result.verdict),
    eyebrow: ['evidence', claim.name, ...(last.result.quick ? ['quick'] : [])],
    lead: claim.claim,
    facts: factsOf(shown),
    sections: [
      { name: 'What was seen', about: `${capital(last.result.why)}.`, content: figuresOf(claim, last.table) },
      {
        name: 'Controls',
        about: 'Where it is known what must happen. If one does not behave, the verdict is “cannot tell”.',
        content: controlsOf(last.result),
      },
      { name: 'How it was decided beforehand', content: definitionOf(claim) },
      { name: 'Numbers', about: 'Means over seeds with Student’s 95 % interval.', content: numbersOf(last.table) },
    ],
  }
}

/** One page of many claims, those against the essay first. */
export function claimsPage(claims: readonly { claim: Claim; shown: readonly ShownResult[] }[]): Page {
  const sorted = byVerdict(claims)
  const of = (verdict: string) => sorted.filter(({ shown }) => shown.at(-1)!.result.verdict === verdict).length
  return {
    title: 'Evidence',
    eyebrow: ['the essay’s claims as experiments', `${sorted.length} claims`],
    lead: `Each claim could come out against the essay. ${verdicts.map((verdict) => `${capital(verdict)}: ${of(verdict)}.`).join(' ')}`,
    sections: sorted.map(({ claim, shown }): PageSection => {
      const { result, table } = shown.at(-1)!
      return {
        name: `${claim.name}: ${result.verdict}`,
        about: claim.claim,
        content: html`<p class="reasons">${capital(result.why)}.</p><p><small>${shown.map(({ result: r }) => html`${r.set} seeds${r.quick && ', quick'}: ${r.verdict}, ${sayInterval(r)}, n = ${r.n}<br>`)}</small></p>${figuresOf(claim, table, 1)}${controlsOf(result)}`,
      }
    }),
  }
}

/** Claims in the order of their verdicts, those against the essay first; of the same verdict as they were. */
export function byVerdict<T extends { shown: readonly { result: Pick<Result, 'verdict'> }[] }>(claims: readonly T[]): T[] {
  const rank = ({ shown }: T) => verdicts.indexOf(shown.at(-1)!.result.verdict)
  return claims.toSorted((a, b) => rank(a) - rank(b))
}

function factsOf(shown: readonly ShownResult[]): [string, string][] {
  return shown.map(({ result }) => [`${result.set} seeds, n = ${result.n}`, `${result.verdict}: ${sayInterval(result)}`])
}

function figuresOf(claim: Claim, table: Table, most = Number.POSITIVE_INFINITY): Html {
  return html`<div class="charts">${claim
    .figures(table)
    .slice(0, most)
    .map((one) => figure(one.table, one.as, one.axes))}</div>`
}

function controlsOf({ controls }: Result): Html {
  const row = ({ arm, must, met, said }: Result['controls'][number]) =>
    html`<tr><td><span class="mark ${met ? 'met' : 'missed'}">${met ? '✓' : '✗'}</span></td><td>${arm}</td><td>must ${must}</td><td>${said}</td></tr>`
  return html`<div class="scroll"><table>${controls.map(row)}</table></div>`
}

function definitionOf({ method, source, metric, rule, n, changes }: Claim): Html {
  const row = (term: string, said: string) => html`<p><b>${term}</b> ${said}</p>`
  return html`${row('Method.', method)}${row('Metric.', `${capital(metric)}.`)}${row('Rule.', rule)}${row('Seeds.', `${n} in each of two sets; nothing was chosen by the second.`)}${row('Source.', source)}${changes.length > 0 && row('Changed since the first full run.', changes.join('; '))}`
}

function numbersOf({ rows }: Table): Html {
  return html`<details><summary>${rows.length} rows</summary><div class="scroll"><table><tr><th>arm</th><th>measure</th><th>mean</th><th>interval</th><th>n</th></tr>${rows.map(
    ({ name, group, estimate, low, high, n }) =>
      html`<tr><td>${group.arm}</td><td>${name}</td><td>${say(estimate)}</td><td>${say(low)} … ${say(high)}</td><td>${n}</td></tr>`,
  )}</table></div></details>`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
