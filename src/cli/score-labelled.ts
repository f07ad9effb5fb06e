import type { Labelled } from '../preferences/index.ts'
import { type ScoreTexts, shownRows, told } from './scored.ts'
import type { Screen } from './screen.ts'

/** Prints the score of every labelled completion, and of all of them by their label. */
export async function showLabelled(examples: readonly Labelled[], score: ScoreTexts, screen: Screen): Promise<void> {
  const scored = await score(examples.map(({ prompt, completion }) => [...prompt, ...completion]))
  const rows = examples.map(({ row, label }, i) => {
    const { value, sd } = scored[i]!
    return { row, label, completion: value, sdCompletion: sd ?? null }
  })
  const right = ({ label, completion }: (typeof rows)[number]) => (1 + (label ? 1 : -1) * Math.sign(completion)) / 2
  const mean = (numbers: readonly number[]) => (numbers.length === 0 ? null : numbers.reduce((a, b) => a + b) / numbers.length)
  const of = (wanted: boolean) => rows.filter(({ label }) => label === wanted).map(({ completion }) => completion)
  const [wanted, unwanted] = [of(true), of(false)]
  const share = mean(rows.map(right))!
  const summary = { completions: rows.length, wanted: mean(wanted), unwanted: mean(unwanted), onSideOfLabel: share }
  for (const [i, row] of rows.entries()) screen.emit(i === rows.length - 1 ? { ...row, summary } : row)
  screen.table([
    ['row', 'label', 'score', ''],
    ...rows
      .slice(0, shownRows)
      .map((row) => [
        String(row.row),
        row.label ? 'wanted' : 'unwanted',
        told(row.completion, row.sdCompletion),
        right(row) === 1 ? '✓' : '',
      ]),
  ])
  if (rows.length > shownRows) screen.line(`… ${(rows.length - shownRows).toLocaleString('en-US')} more rows; --json prints them all`)
  const line = (name: string, value: number | null) => (value === null ? [] : [[name, value.toFixed(3)]])
  screen.table([
    [`${rows.length.toLocaleString('en-US')} completions`, 'mean score'],
    ...line(`${wanted.length} wanted`, summary.wanted),
    ...line(`${unwanted.length} unwanted`, summary.unwanted),
    ['on the side of the label', `${(100 * share).toFixed(1)} %`],
  ])
}
