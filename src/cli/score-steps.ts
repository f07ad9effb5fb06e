import type { Stepwise } from '../preferences/index.ts'
import type { ScoreTexts } from './scored.ts'
import type { Screen } from './screen.ts'
import { judgedMeans, showJudged } from './show-judged.ts'

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
  const scores = rows.flatMap(({ row, labels, steps, sdSteps }) =>
    steps.map((value, k) => ({ place: [`${row}`, `${k + 1}`], label: labels[k]!, value, sd: sdSteps[k]! })),
  )
  const { yes, no, onSideOfLabel } = judgedMeans(scores)
  const summary = { completions: rows.length, steps: scores.length, right: yes, wrong: no, onSideOfLabel }
  for (const [i, row] of rows.entries()) screen.emit(i === rows.length - 1 ? { ...row, summary } : row)
  showJudged(scores, { many: 'steps', place: ['row', 'step'], is: ['right', 'wrong'] }, screen)
}
