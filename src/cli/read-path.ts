import { openModel } from '../policy/index.ts'
import { fixed } from '../runs/index.ts'
import { patchPaths, pathPage } from '../whitebox/index.ts'
import { command, oneOf, text, toggle } from './command.ts'
import { contrastFlags } from './contrast-flags.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'

/** Prints what goes directly from some parts to others and on to the answer; the patching is in src/whitebox. */
export const readPath = command({
  name: 'read path',
  about: 'Patch what a part does to another directly, with everything between as it was, and see how far the answer follows: 0 to 1.',
  flags: {
    ...contrastFlags,
    from: text("senders: embed, 'head 2.1', 'mlp 3'; * is any number, commas between, * alone all of them", { default: '*' }),
    to: text("receivers: logits, 'mlp 3', 'head 3.1', or one input of it, 'head 3.1 q'", { default: 'logits' }),
    together: toggle('all senders at once into all receivers at once, not one by one'),
    direction: oneOf('clean values into the corrupted run, or the other way', ['denoise', 'noise'], { default: 'denoise' }),
    ...reportFlag,
  },
  examples: [
    "read path --clean 'A girl' --corrupted 'A boy' --answer ' her' --wrong ' his'",
    "read path --clean 'A girl' --corrupted 'A boy' --answer ' her' --wrong ' his' --to 'mlp 5'",
  ],

  async action({ model: name, clean, corrupted, answer, wrong, from, to, together, direction, report }, screen, signal) {
    const model = await openModel(name, { onProgress: screen.note })
    try {
      let bar: ReturnType<typeof screen.progress> | undefined
      let shown = 0
      const onRuns = (done: number, of: number) => {
        bar ??= screen.progress('patching', of)
        bar.advance(done - shown)
        shown = done
      }
      const given = { clean, corrupted, answer, wrong }
      const named = (patterns: string) => patterns.split(',').map((one) => one.trim())
      const options = { from: named(from), to: named(to), together, direction, onRuns, signal }
      const { gap, effects } = await patchPaths(model, given, options)
      bar?.done()
      for (const effect of effects) screen.emit(effect)
      screen.line(`logit difference: ${fixed(gap.clean, 2)} on the clean text (1), ${fixed(gap.corrupted, 2)} on the corrupted one (0)`)
      const most = effects.toSorted((a, b) => Math.abs(b.effect) - Math.abs(a.effect))
      const few = most.slice(0, 12)
      screen.line(`${effects.length} ${effects.length === 1 ? 'path' : 'paths'}${few.length < most.length ? '; the strongest:' : ':'}`)
      screen.table([['effect', 'from', 'to'], ...few.map((one) => [fixed(one.effect, 3), one.from, one.to])])
      const said = { model: model.name, clean: model.pieces(clean), corrupted: model.pieces(corrupted), answer, wrong, gap }
      await writeReportPage(report, screen, () => pathPage({ ...said, direction, effects }))
    } finally {
      await model.close()
    }
  },
})
