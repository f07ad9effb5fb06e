import { openModel } from '../policy/index.ts'
import { causePage, patch, patchSites } from '../whitebox/index.ts'
import { command, listOf, oneOf } from './command.ts'
import { contrastFlags } from './contrast-flags.ts'
import { printEffects } from './effect-lines.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'

/** Prints what each value inside does to a logit difference; the patching is in src/whitebox. */
export const readPatch = command({
  name: 'read patch',
  about: 'Put values of one text into the run of another, place by place, and see how far the answer follows: 0 is corrupted, 1 is clean.',
  flags: {
    ...contrastFlags,
    sites: listOf('what is patched', patchSites),
    direction: oneOf('clean values into the corrupted run, or the other way', ['denoise', 'noise'], { default: 'denoise' }),
    ...reportFlag,
  },
  examples: [
    "read patch --clean 'The girl' --corrupted 'The boy' --answer ' her' --wrong ' his'",
    "read patch --clean 'The girl' --corrupted 'The boy' --answer ' her' --wrong ' his' --json",
  ],

  async action({ model: name, clean, corrupted, answer, wrong, sites, direction, report }, screen, signal) {
    const model = await openModel(name, { onProgress: screen.note })
    try {
      let bar: ReturnType<typeof screen.progress> | undefined
      const onRuns = (done: number, of: number) => {
        bar ??= screen.progress('patching', of)
        bar.advance(done - shown)
        shown = done
      }
      let shown = 0
      const { gap, effects } = await patch(model, { clean, corrupted, answer, wrong }, { sites, direction, onRuns, signal })
      bar?.done()
      for (const effect of effects) screen.emit(effect)
      printEffects(screen, gap, effects, model.pieces(clean))
      const said = { model: model.name, clean: model.pieces(clean), corrupted: model.pieces(corrupted), answer, wrong, gap }
      await writeReportPage(report, screen, () => causePage({ ...said, title: 'Activation patching', what: 'effect', effects, direction }))
    } finally {
      await model.close()
    }
  },
})
