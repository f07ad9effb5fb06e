import { openModel } from '../policy/index.ts'
import { fixed } from '../runs/index.ts'
import { attributeEdges, besideRandom, circuitCurve, circuitPage } from '../whitebox/index.ts'
import { command, integer } from './command.ts'
import { contrastFlags } from './contrast-flags.ts'
import { sayWhole } from './effect-lines.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'

/** Prints how much of a logit difference the strongest edges keep alone, beside random ones; the arithmetic is in src/whitebox. */
export const readCircuit = command({
  name: 'read circuit',
  about: 'How much of the difference between two texts the strongest edges keep when every other edge is corrupted: 0 is none, 1 is all.',
  flags: {
    ...contrastFlags,
    k: integer('the most edges that are kept; 1, 2, 4 … are tried up to it', { default: 64, min: 1 }),
    steps: integer('points between the two texts that edges are attributed over; with 1 small circuits keep little', {
      default: 16,
      min: 1,
    }),
    seed: integer('seed of the random edges', { default: 0, min: 0 }),
    ...reportFlag,
  },
  examples: ["read circuit --clean 'A girl' --corrupted 'A boy' --answer ' her' --wrong ' his' --k 32"],

  async action({ model: name, clean, corrupted, answer, wrong, k, steps, seed, report }, screen, signal) {
    const model = await openModel(name, { onProgress: screen.note })
    try {
      const given = { clean, corrupted, answer, wrong }
      const found = await attributeEdges(model, given, { steps, signal })
      if (found.note) screen.warn(found.note)
      sayWhole(screen, steps, found.whole)
      const edges = found.edges.toSorted((a, b) => Math.abs(b.effect) - Math.abs(a.effect))
      let bar: ReturnType<typeof screen.progress> | undefined
      let shown = 0
      const onSets = (done: number, of: number) => {
        bar ??= screen.progress('circuits', of)
        bar.advance(done - shown)
        shown = done
      }
      const points = await circuitCurve(model, given, edges, { k, seed, onSets, signal })
      bar?.done()
      for (const { edges: count, faithfulness, random } of points)
        screen.emit({ edges: count, of: edges.length, faithfulness, ...(random ? { random } : {}) })
      screen.line(`the strongest of ${edges.length} edges, what they keep alone, and what as many random ones do:`)
      screen.table([
        ['edges', 'faithfulness', `${points[0]!.random?.n ?? 0} random sets, mean and 95 %`],
        ...points.map((point) => [String(point.edges), fixed(point.faithfulness, 3), besideRandom(point.random)]),
      ])
      const said = { model: model.name, clean: model.pieces(clean), corrupted: model.pieces(corrupted), answer, wrong, gap: found.gap }
      const of = edges.length
      await writeReportPage(report, screen, () => circuitPage({ ...said, edges: edges.slice(0, points.at(-1)!.edges), points, of }))
    } finally {
      await model.close()
    }
  },
})
