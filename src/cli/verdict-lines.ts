import type { Aligned } from '../align/index.ts'
import { sayBound } from '../runs/index.ts'
import type { Screen } from './screen.ts'
import { columns, wrap } from './screen.ts'

/** A verdict for people: the word, why, every criterion with its interval against its bound, and where to look. */
export function verdictLines(
  { verdict, reasons, criteria, look, run, model }: Aligned,
  { colour, width }: Pick<Screen, 'colour' | 'width'>,
): string[] {
  const paint = { accepted: colour.green, rejected: colour.red, 'out of budget': colour.yellow, 'cannot tell': colour.yellow }[verdict]
  const number = (x: number) => String(Number(x.toPrecision(3)))
  const rows = criteria.map(({ name, estimate, low, high, bound, unit, met, n }) => [
    met ? '✓' : '✗',
    name,
    number(estimate),
    `[${number(low)}, ${number(high)}]`,
    sayBound(bound, unit),
    `${n} prompts`,
  ])
  return [
    '',
    colour.bold(paint(verdict.toUpperCase())),
    '',
    ...reasons.map((reason) => wrap(reason, width)),
    '',
    `${look === 'sealed' ? 'sealed prompts' : 'development prompts'}, estimates with 95 % intervals:`,
    columns(rows, width),
    '',
    columns([...(model ? [['model', model]] : []), ['run', run], ['report', `${run}/report.html`]], width),
  ]
}
