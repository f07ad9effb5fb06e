import { dataFile } from '../checkpoints/index.ts'
import { type Boundary, loadPairs, writeQuarantine } from '../preferences/index.ts'
import { openEnsemble, openRewardModel } from '../rewards/index.ts'
import { loadChatTemplate } from '../text/index.ts'
import { columnsOf } from './columns-flag.ts'
import type { Screen } from './screen.ts'

/** A person reads so many rows; the others are in `--json`. */
const shownRows = 20

/** Prints what a reward model gives to both sides of every pair, each with one standard deviation of doubt where the model knows it. */
export async function scorePairs(
  asked: {
    readonly reward: readonly string[]
    readonly file: string
    readonly boundary: Boundary
    readonly words: Parameters<typeof columnsOf>[0]
    readonly quarantine: string | undefined
  },
  screen: Screen,
  signal: AbortSignal,
): Promise<void> {
  const { file, quarantine } = asked
  const [first, ...others] = asked.reward as [string, ...string[]]
  const reward = asked.reward.join(' --reward ')
  const model =
    others.length === 0 ? await openRewardModel(first, screen.note) : await openEnsemble(asked.reward, { onProgress: screen.note })
  try {
    const { checkpoint } = model
    const { examples, quarantined } = await loadPairs(await dataFile(file, screen.note), checkpoint, {
      boundary: asked.boundary,
      template: await loadChatTemplate(checkpoint.folder),
      columns: columnsOf(asked.words),
    })
    if (quarantine) await writeQuarantine(quarantine, quarantined)
    if (quarantined.length > 0)
      screen.warn(
        `${file}: ${quarantined.length} rows cannot be used and are left out; see them with: innate logp --reward ${reward} --pairs ${file} --quarantine FILE`,
      )
    const bar = screen.progress('scoring', 100)
    let shown = 0
    const scored = await model.score(
      examples.flatMap(({ prompt, chosen, rejected }) => [
        [...prompt, ...chosen],
        [...prompt, ...rejected],
      ]),
      {
        signal,
        onBatch(done, of) {
          const percent = Math.floor((100 * done) / of)
          bar.advance(percent - shown)
          shown = percent
        },
      },
    )
    bar.done()
    const rows = examples.map(({ row }, i) => {
      const [a, b] = [scored[2 * i]!, scored[2 * i + 1]!]
      return { row, chosen: a.value, rejected: b.value, sdChosen: a.sd ?? null, sdRejected: b.sd ?? null }
    })
    const higher = rows.reduce((sum, { chosen, rejected }) => sum + (Math.sign(chosen - rejected) + 1) / 2, 0) / rows.length
    const mean = (side: 'chosen' | 'rejected') => rows.reduce((sum, row) => sum + row[side], 0) / rows.length
    const summary = { pairs: rows.length, chosen: mean('chosen'), rejected: mean('rejected'), chosenHigher: higher }
    for (const [i, row] of rows.entries()) screen.emit(i === rows.length - 1 ? { ...row, summary } : row)
    const told = (value: number, sd: number | null) => `${value.toFixed(3)}${sd === null ? '' : ` ± ${sd.toFixed(3)}`}`
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
    if (rows[0]!.sdChosen === null)
      screen.note(`${first}: has no posterior of its head, so its doubt is not known; train with objective rewardModel to have one`)
    screen.table([
      [`${rows.length.toLocaleString('en-US')} pairs`, 'mean score'],
      ['chosen', summary.chosen.toFixed(3)],
      ['rejected', summary.rejected.toFixed(3)],
      ['chosen higher', `${(100 * higher).toFixed(1)} %`],
    ])
  } finally {
    await model.close()
  }
}
