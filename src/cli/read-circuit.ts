import { openModel } from '../policy/index.ts'
import { attributeEdges, circuit, circuitPage } from '../whitebox/index.ts'
import { command, integer } from './command.ts'
import { contrastFlags } from './contrast-flags.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'

/** Prints how much of a logit difference the strongest edges keep alone; the arithmetic is in src/whitebox. */
export const readCircuit = command({
  name: 'read circuit',
  about: 'How much of the difference between two texts the strongest edges keep when every other edge is corrupted: 0 is none, 1 is all.',
  flags: {
    ...contrastFlags,
    k: integer('the most edges that are kept; 1, 2, 4 … are tried up to it', { default: 64, min: 1 }),
    steps: integer('points between the two texts that edges are attributed over', { default: 1, min: 1 }),
    ...reportFlag,
  },
  examples: ["read circuit --clean 'A girl' --corrupted 'A boy' --answer ' her' --wrong ' his' --k 32"],

  async action({ model: name, clean, corrupted, answer, wrong, k, steps, report }, screen, signal) {
    const model = await openModel(name, { onProgress: screen.note })
    try {
      const given = { clean, corrupted, answer, wrong }
      const found = await attributeEdges(model, given, { steps, signal })
      if (found.note) screen.warn(found.note)
      const edges = found.edges.toSorted((a, b) => Math.abs(b.effect) - Math.abs(a.effect))
      const most = Math.min(k, edges.length)
      const sizes = [...Array.from({ length: Math.ceil(Math.log2(most)) }, (_, i) => 2 ** i), most]
      const rows: { edges: number; faithfulness: number }[] = []
      const bar = screen.progress('circuits', sizes.length)
      for (const size of sizes) {
        const { faithfulness } = await circuit(model, given, edges.slice(0, size), { signal })
        rows.push({ edges: size, faithfulness })
        screen.emit({ edges: size, of: edges.length, faithfulness })
        bar.advance(1)
      }
      bar.done()
      screen.line(`the strongest of ${edges.length} edges, and what they keep alone:`)
      screen.table([['edges', 'faithfulness'], ...rows.map((row) => [String(row.edges), row.faithfulness.toFixed(3)])])
      const said = { model: model.name, clean: model.pieces(clean), corrupted: model.pieces(corrupted), answer, wrong }
      await writeReportPage(report, screen, () => circuitPage({ ...said, gap: found.gap, edges: edges.slice(0, most), rows }))
    } finally {
      await model.close()
    }
  },
})
