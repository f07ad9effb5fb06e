import { firstSeed } from './claim.ts'
import type { Result } from './result.ts'

/** `0.31 [0.22, 0.4]`, with three significant digits. */
export function sayInterval({ estimate, low, high }: Pick<Result, 'estimate' | 'low' | 'high'>): string {
  return `${say(estimate)} [${say(low)}, ${say(high)}]`
}

/** Three significant digits, with a true minus. */
export function say(x: number): string {
  if (x === 0) return '0'
  const size = Math.abs(x)
  const text = size >= 1e6 || size < 1e-4 ? x.toExponential(2) : String(size >= 1000 ? Math.round(x) : Number(x.toPrecision(3)))
  return text.replaceAll('-', '−')
}

/** What a result says, as one paragraph: the claim, the verdict with its interval and the reason, and every control. */
export function paragraphOf(result: Result): string {
  const { definition, verdict, why, n, set, quick, controls } = result
  const seeds =
    set === 'first'
      ? `seeds from ${firstSeed.first}, by which rules may have been chosen`
      : `seeds from ${firstSeed.second}, by which nothing was chosen`
  const met = controls.filter((control) => control.met).length
  const told = controls.map(({ arm, must, said, met }) => `${met ? '' : 'Not so: '}${arm} must ${must}: ${said}`)
  return [
    `Claim: ${definition.claim}`,
    `Verdict: ${verdict}. ${capital(definition.metric)}: ${sayInterval(result)}, n = ${n} (${seeds}${quick ? '; a quick run, without the slowest arms' : ''}).`,
    `${capital(why)}.`,
    `${met} of ${controls.length} controls behaved.${told.length > 0 ? ` ${told.join('. ')}.` : ''}`,
    ...(definition.changes.length > 0 ? [`Changed since the first full run: ${definition.changes.join('; ')}.`] : []),
  ].join(' ')
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
