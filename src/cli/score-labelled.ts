import type { Labelled } from '../preferences/index.ts'
import type { ScoreTexts } from './scored.ts'
import type { Screen } from './screen.ts'
import { judgedMeans, showJudged } from './show-judged.ts'

/** Prints the score of every labelled completion, and of all of them by their label. */
export async function showLabelled(examples: readonly Labelled[], score: ScoreTexts, screen: Screen): Promise<void> {
  const scored = await score(examples.map(({ prompt, completion }) => [...prompt, ...completion]))
  const rows = examples.map(({ row, label }, i) => {
    const { value, sd } = scored[i]!
    return { row, label, completion: value, sdCompletion: sd ?? null }
  })
  const scores = rows.map(({ row, label, completion, sdCompletion }) => ({ place: [`${row}`], label, value: completion, sd: sdCompletion }))
  const { yes, no, onSideOfLabel } = judgedMeans(scores)
  const summary = { completions: rows.length, wanted: yes, unwanted: no, onSideOfLabel }
  for (const [i, row] of rows.entries()) screen.emit(i === rows.length - 1 ? { ...row, summary } : row)
  showJudged(scores, { many: 'completions', place: ['row'], is: ['wanted', 'unwanted'] }, screen)
}
