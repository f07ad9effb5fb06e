import type { Estimate, JudgeFacts } from '../runs/index.ts'
import type { Screen } from './screen.ts'
import { columns, wrap } from './screen.ts'

/** Facts about judges for people: what each said, its liking for a place and for length, who agrees with whom, and what it cost. */
export function factLines(
  { judges, agreement, together, spent }: JudgeFacts,
  { width, colour }: Pick<Screen, 'width' | 'colour'>,
): string[] {
  const lines: string[] = []
  const voters = judges.filter(({ counts }) => counts.side + counts.tie + counts.none + counts.skip > 0)
  if (voters.length > 0) {
    const rows = voters.map(({ who, counts, first, longer }) => [
      `  ${who}`,
      `${counts.side} better or worse, ${counts.tie} ties, ${counts.none} no preference, ${counts.skip} skipped`,
      first ? `${first.low > 0.5 || first.high < 0.5 ? colour.yellow('!') : '·'} first ${withInterval(first)}` : '',
      longer ? `longer ${withInterval(longer)}` : '',
    ])
    lines.push('', columns(fitted(rows, width), width))
    if (voters.some(({ first, longer }) => first || longer))
      lines.push(
        wrap(
          colour.dim('  first, longer: share of votes for what stood first, and for the longer text; 95 % intervals over prompts.'),
          width,
        ),
      )
  }
  if (agreement.length > 0)
    lines.push(
      '',
      columns(
        agreement.map(({ between: [one, other], pairs, share, kappa }) => [
          `  ${one} and ${other}`,
          `agree on ${withInterval(share)}`,
          `κ ${kappa.cannotTell === undefined ? withInterval(kappa) : `${short(kappa.estimate)}, cannot tell: ${kappa.cannotTell}`}, ${pairs} pairs`,
        ]),
        width,
      ),
    )
  if (together) {
    const { raters, pairs, share, alpha } = together
    const said = alpha.cannotTell === undefined ? withInterval(alpha) : `${short(alpha.estimate)}, cannot tell: ${alpha.cannotTell}`
    lines.push('', wrap(`  all ${raters} agree on ${withInterval(share)}, α ${said}, ${pairs} pairs that two or more judged`, width))
  }
  if (spent) {
    const { requests, promptTokens, completionTokens, money } = spent
    const cost = money === undefined ? '' : `, ${Number(money.toPrecision(3))} in the price’s currency`
    lines.push('', `  ${requests} requests, ${promptTokens} tokens read and ${completionTokens} written${cost}`)
  }
  return lines
}

/** Rows whose cells stand below each other where they do not fit beside each other. */
function fitted(rows: readonly (readonly string[])[], width: number): string[][] {
  const widest = rows[0]!.map((_, k) => Math.max(...rows.map((row) => row[k]!.length)))
  if (widest.reduce((a, b) => a + b + 2, 0) <= width) return rows.map((row) => [...row])
  return rows.map(([name = '', ...rest]) => [name, rest.filter((cell) => cell !== '').join('\n')])
}

function withInterval({ estimate, low, high }: Estimate): string {
  return `${short(estimate)} [${short(low)}, ${short(high)}]`
}

function short(x: number): string {
  return String(Number(x.toFixed(2)))
}
