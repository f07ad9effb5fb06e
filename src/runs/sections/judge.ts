import { html } from '../html.ts'
import { withInterval } from '../numbers.ts'
import { drawn } from '../plots/plot.ts'
import type { ReportData } from '../report-data.ts'
import type { GoldAgainst, JudgeFacts } from '../schema.ts'
import { measureName } from './measure-names.ts'
import { type Section, sentence } from './section.ts'
import { pageTable } from './table.ts'

/** A judge's name, and what kind of judge it is where the name does not say it. */
export function judgeSaid({ name, kind }: NonNullable<ReportData['manifest']['judge']>): string {
  if (kind !== 'simulated') return `${name} (${kind})`
  return name.includes('simulated voter') ? name : `${name}, a simulated voter`
}

/** Who judged, by what, and how far judge, goals and gold go together. */
export const judge: Section = {
  name: 'Who judged',
  about: ({ manifest: { judge } }) => {
    if (!judge) return ''
    const simulated = judge.kind === 'simulated'
    const who = judgeSaid(judge)
    return `${who}: ${sentence(judge.about)}${simulated ? ' No person has voted in this run, and the win rate says what a program prefers.' : ''}`
  },
  render({ manifest, evaluations, verdict }) {
    const { judge, goals, gold } = manifest
    const correlations = evaluations.at(-1)?.correlations ?? []
    if (!judge && goals.length === 0 && correlations.length === 0) return undefined
    return html`${verdict?.judged && judgedHtml(verdict.judged)}${
      goals.length > 0 &&
      html`<h3>Goals of the prior</h3>
${pageTable(
  'Goals of the prior',
  goals.map(
    (goal) => html`<tr><th scope="row">${goal.name}</th><td>${goal.direction === 1 ? '↑ more' : '↓ less'}</td><td>${goal.about}</td></tr>`,
  ),
)}`
    }
${gold && html`<h3>Gold measure</h3><p>${gold.name}: ${sentence(gold.about)} ${goldSentences(gold.checks ?? [])}</p>`}
${
  correlations.length > 0 &&
  html`<h3>How they correlate</h3>
${correlations.map(
  (c) => html`<div class="goal"><div class="name">${measureName(c.of)}<small>with ${measureName(c.with)}</small></div>
${drawn({ about: '', rows: [{ ...c, name: 'correlation', group: {} }] }, 'intervals', { title: `${measureName(c.of)} with ${measureName(c.with)}`, zero: true, span: [-1, 1], labels: false })}
<div class="value">${withInterval(c)}</div></div>`,
)}`
}`
  },
}

/** What each judge said and likes, how they agree, and what it cost. */
function judgedHtml({ judges, agreement, together, spent }: JudgeFacts) {
  const rows = judges.map(
    ({
      who,
      counts,
      first,
      longer,
    }) => html`<tr><th scope="row">${who}</th><td>${counts.side}</td><td>${counts.tie}</td><td>${counts.none}</td><td>${counts.skip}</td>
<td>${first ? withInterval(first) : '–'}</td><td>${longer ? withInterval(longer) : '–'}</td></tr>`,
  )
  const agreed = agreement.map(
    ({
      between,
      pairs,
      share,
      kappa,
    }) => html`<tr><th scope="row">${between.join(' and ')}</th><td>${pairs}</td><td>${withInterval(share)}</td>
<td>${kappa.cannotTell === undefined ? withInterval(kappa) : kappa.cannotTell}</td></tr>`,
  )
  return html`<h3>What was said</h3>
${pageTable('What was said', rows, heads('', 'a side', 'tie', 'no preference', 'skipped', 'votes for what stood first', 'votes for the longer text'))}
${agreement.length > 0 && html`<h3>Agreement</h3>${pageTable('Agreement', agreed, heads('', 'pairs', 'the same', 'κ'))}`}
${together && html`<p>All ${together.raters} together, on ${together.pairs} pairs that two or more judged: the same in ${withInterval(together.share)}, Krippendorff’s α ${together.alpha.cannotTell === undefined ? withInterval(together.alpha) : together.alpha.cannotTell}.</p>`}
${spent && html`<p>${spent.requests} requests, ${spent.promptTokens} tokens read and ${spent.completionTokens} written${spent.money === undefined ? '' : `, ${spent.money.toFixed(4)} in the currency of the price`}.</p>`}`
}

function heads(...names: readonly string[]) {
  return html`<tr>${names.map((name) => html`<th scope="col">${name}</th>`)}</tr>`
}

/** Only what was checked in this run. */
function goldSentences(checks: readonly GoldAgainst[]): string {
  const names = (some: (check: GoldAgainst) => boolean) =>
    checks
      .filter(some)
      .map(({ of }) => of)
      .join(', ')
  const say = (of: string, sentence: string) => (of === '' ? '' : `${sentence.replace('…', of)} `)
  return [
    say(
      names((check) => check.function === 'another'),
      'It is another function than … .',
    ),
    say(
      names((check) => check.words === 'none shared'),
      'It shares no declared word with … .',
    ),
    say(
      names((check) => check.words === 'not declared'),
      'Words were not compared with …, since one of the two declares none.',
    ),
    say(
      names((check) => check.words === 'unknown'),
      'What … looks at is unknown.',
    ),
  ]
    .join('')
    .replaceAll(' .', '.')
    .trim()
}
