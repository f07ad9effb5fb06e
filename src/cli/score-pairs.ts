import type { Pair } from '../preferences/index.ts'
import { type ScoreTexts, shownRows, told } from './scored.ts'
import type { Screen } from './screen.ts'

/** Prints the scores of both sides of every pair, and of all of them. */
export async function showPairs(examples: readonly Pair[], score: ScoreTexts, screen: Screen): Promise<void> {
  const scored = await score(
    examples.flatMap(({ prompt, chosen, rejected }) => [
      [...prompt, ...chosen],
      [...prompt, ...rejected],
    ]),
  )
  const rows = examples.map(({ row }, i) => {
    const [a, b] = [scored[2 * i]!, scored[2 * i + 1]!]
    return { row, chosen: a.value, rejected: b.value, sdChosen: a.sd ?? null, sdRejected: b.sd ?? null }
  })
  const higher = rows.reduce((sum, { chosen, rejected }) => sum + (Math.sign(chosen - rejected) + 1) / 2, 0) / rows.length
  const mean = (side: 'chosen' | 'rejected') => rows.reduce((sum, row) => sum + row[side], 0) / rows.length
  const summary = { pairs: rows.length, chosen: mean('chosen'), rejected: mean('rejected'), chosenHigher: higher }
  for (const [i, row] of rows.entries()) screen.emit(i === rows.length - 1 ? { ...row, summary } : row)
  screen.table([
    ['row', 'chosen', 'rejected', ''],
    ...rows
      .slice(0, shownRows)
      .map((row) => [
        String(row.row),
        told(row.chosen, row.sdChosen),
        told(row.rejected, row.sdRejected),
        row.chosen > row.rejected ? '✓' : '',
      ]),
  ])
  if (rows.length > shownRows) screen.line(`… ${(rows.length - shownRows).toLocaleString('en-US')} more rows; --json prints them all`)
  screen.table([
    [`${rows.length.toLocaleString('en-US')} pairs`, 'mean score'],
    ['chosen', summary.chosen.toFixed(3)],
    ['rejected', summary.rejected.toFixed(3)],
    ['chosen higher', `${(100 * higher).toFixed(1)} %`],
  ])
}
