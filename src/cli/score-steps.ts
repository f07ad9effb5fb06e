import type { Stepwise } from '../preferences/index.ts'
import { type ScoreTexts, shownRows, told } from './scored.ts'
import type { Screen } from './screen.ts'

/** Prints the score of every step of every completion, where the step ends, and of all of them by their label. */
export async function showSteps(examples: readonly Stepwise[], score: ScoreTexts, screen: Screen): Promise<void> {
  const scored = await score(
    examples.flatMap(({ prompt, completion, steps }) => steps.map(({ end }) => [...prompt, ...completion.slice(0, end)])),
  )
  let first = 0
  const rows = examples.map(({ row, steps }) => {
    const own = scored.slice(first, (first += steps.length))
    return { row, labels: steps.map(({ label }) => label), steps: own.map(({ value }) => value), sdSteps: own.map(({ sd }) => sd ?? null) }
  })
  const all = rows.flatMap((row) => row.steps.map((value, k) => ({ row, k, value, sd: row.sdSteps[k]!, label: row.labels[k]! })))
  const right = ({ label, value }: (typeof all)[number]) => (1 + (label ? 1 : -1) * Math.sign(value)) / 2
  const mean = (numbers: readonly number[]) => (numbers.length === 0 ? null : numbers.reduce((a, b) => a + b) / numbers.length)
  const of = (wanted: boolean) => all.filter(({ label }) => label === wanted).map(({ value }) => value)
  const share = mean(all.map(right))!
  const summary = { completions: rows.length, steps: all.length, right: mean(of(true)), wrong: mean(of(false)), onSideOfLabel: share }
  for (const [i, row] of rows.entries()) screen.emit(i === rows.length - 1 ? { ...row, summary } : row)
  screen.table([
    ['row', 'step', 'label', 'score', ''],
    ...all
      .slice(0, shownRows)
      .map((one) => [
        String(one.row.row),
        String(one.k + 1),
        one.label ? 'right' : 'wrong',
        told(one.value, one.sd),
        right(one) === 1 ? '✓' : '',
      ]),
  ])
  if (all.length > shownRows) screen.line(`… ${(all.length - shownRows).toLocaleString('en-US')} more steps; --json prints them all`)
  const line = (name: string, value: number | null) => (value === null ? [] : [[name, value.toFixed(3)]])
  screen.table([
    [`${all.length.toLocaleString('en-US')} steps`, 'mean score'],
    ...line(`${of(true).length} right`, summary.right),
    ...line(`${of(false).length} wrong`, summary.wrong),
    ['on the side of the label', `${(100 * share).toFixed(1)} %`],
  ])
}
