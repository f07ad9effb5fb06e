import type { Aligned } from '../align/index.ts'
import { sayBound } from '../runs/index.ts'
import { factLines } from './fact-lines.ts'
import type { Screen } from './screen.ts'
import { columns, wrap } from './screen.ts'

/** A verdict for people: the word, why, every criterion with its interval against its bound, gold, place and alarms, and where to look. */
export function verdictLines(
  { verdict, reasons, criteria, look, run, model, gold, place, judged, alarms = [] }: Aligned,
  screen: Pick<Screen, 'colour' | 'width'>,
  maxTokens?: number,
): string[] {
  const { colour, width } = screen
  const paint = { accepted: colour.green, rejected: colour.red, 'out of budget': colour.yellow, 'cannot tell': colour.yellow }[verdict]
  const rows = criteria.map(({ name, bound, unit, met, ...measured }) => row(met ? '✓' : '✗', name, measured, sayBound(bound, unit)))
  const bounded = criteria.some(({ name }) => name === 'gold')
  if (gold && !bounded) rows.push(row('·', 'gold', gold, 'no bound'))
  if (place) rows.push(row(place.alarm ? '!' : '·', 'place.first', place.first, '0.5 is fair'))
  return [
    '',
    colour.bold(paint(verdict.toUpperCase())),
    '',
    ...reasons.map((reason) => wrap(reason, width)),
    '',
    `${look === 'sealed' ? 'sealed prompts' : 'development prompts'}, estimates with 95 % intervals:`,
    columns(rows, width),
    ...(maxTokens === undefined ? [] : [wrap(`KL and length are of completions of at most ${maxTokens} tokens.`, width)]),
    ...(judged && judged.judges.length > 0 ? ['', 'the judge:', ...factLines(judged, screen).slice(1)] : []),
    '',
    ...alarms.flatMap(({ alarm, why, remedy }) => [wrap(`${colour.yellow(`ALARM ${alarm}`)}: ${why}; ${remedy}`, width), '']),
    columns([...(model ? [['model', model]] : []), ['run', run], ['report', `${run}/report.html`]], width),
  ]
}

interface Measured {
  readonly estimate: number
  readonly low: number
  readonly high: number
  readonly n: number
}

function row(mark: string, name: string, { estimate, low, high, n }: Measured, demanded: string): string[] {
  const what = name === 'perplexityRise' ? 'texts' : name === 'audit' ? 'tensors' : 'prompts'
  return [mark, name, number(estimate), `[${number(low)}, ${number(high)}]`, demanded, `${n} ${what}`]
}

function number(x: number): string {
  return String(Number(x.toPrecision(3)))
}
