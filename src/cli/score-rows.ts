import { dataFile } from '../checkpoints/index.ts'
import {
  type Boundary,
  holdsSteps,
  kindOfFile,
  type Loading,
  loadLabelled,
  loadPairs,
  loadSteps,
  type Quarantined,
  writeQuarantine,
} from '../preferences/index.ts'
import { openEnsemble, openRewardModel } from '../rewards/index.ts'
import { loadChatTemplate } from '../text/index.ts'
import { columnsOf } from './columns-flag.ts'
import { showLabelled } from './score-labelled.ts'
import { showPairs } from './score-pairs.ts'
import { showSteps } from './score-steps.ts'
import type { ScoreTexts } from './scored.ts'
import type { Screen } from './screen.ts'

/** Prints what a reward model gives to every completion of a file, each with one standard deviation of doubt where the model knows it. */
export async function scoreRows(
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
  const model =
    others.length === 0 ? await openRewardModel(first, screen.note) : await openEnsemble(asked.reward, { onProgress: screen.note })
  try {
    const { checkpoint } = model
    const columns = columnsOf(asked.words)
    const options: Loading = { boundary: asked.boundary, template: await loadChatTemplate(checkpoint.folder), columns }
    const path = await dataFile(file, screen.note)
    const score: ScoreTexts = async (texts) => {
      const bar = screen.progress('scoring', 100)
      let shown = 0
      const scored = await model.score(texts, {
        signal,
        onBatch(done, of) {
          const percent = Math.floor((100 * done) / of)
          bar.advance(percent - shown)
          shown = percent
        },
      })
      bar.done()
      if (scored[0]!.sd === undefined)
        screen.note(`${first}: has no posterior of its head, so its doubt is not known; train it with innate train to have one`)
      return scored
    }
    if (await holdsSteps(path)) {
      const { examples, quarantined } = await loadSteps(path, checkpoint)
      await leftOut(quarantined)
      return await showSteps(examples, score, screen)
    }
    if ((await kindOfFile(path, columns)) === 'pairs') {
      const { examples, quarantined } = await loadPairs(path, checkpoint, options)
      await leftOut(quarantined)
      return await showPairs(examples, score, screen)
    }
    const { examples, quarantined } = await loadLabelled(path, checkpoint, options)
    await leftOut(quarantined)
    await showLabelled(examples, score, screen)
  } finally {
    await model.close()
  }

  async function leftOut(quarantined: readonly Quarantined[]): Promise<void> {
    if (quarantine) await writeQuarantine(quarantine, quarantined)
    if (quarantined.length > 0)
      screen.warn(
        `${file}: ${quarantined.length} rows cannot be used and are left out; see them with: innate logp --reward ${asked.reward.join(' --reward ')} --pairs ${file} --quarantine FILE`,
      )
  }
}
