import { sampleCorrelation } from 'simple-statistics'
import { openModel } from '../policy/index.ts'
import { fixed } from '../runs/index.ts'
import { attribute, attributeEdges, causePage, edgePage, patch, patchSites } from '../whitebox/index.ts'
import { command, integer, listOf, toggle } from './command.ts'
import { contrastFlags } from './contrast-flags.ts'
import { printEffects, sayWhole } from './effect-lines.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'

/** Prints what patching would do to first order, of places or of edges; the arithmetic is in src/whitebox. */
export const readAttribute = command({
  name: 'read attribute',
  about: 'Estimate what patching every place would do, from one pass back: (clean − corrupted) · slope, 0 is corrupted, 1 is clean.',
  flags: {
    ...contrastFlags,
    sites: listOf('what is attributed', patchSites),
    edges: toggle('edges from what writes to the residual stream to what reads it, over all positions, instead of places'),
    steps: integer('points between the two texts that the slope is averaged over; 1 is the corrupted run', { default: 1, min: 1 }),
    check: toggle('patch, too, and say how far the two go together'),
    ...reportFlag,
  },
  examples: [
    "read attribute --clean 'A girl' --corrupted 'A boy' --answer ' her' --wrong ' his' --check",
    "read attribute --clean 'A girl' --corrupted 'A boy' --answer ' her' --wrong ' his' --edges",
  ],

  async action({ model: name, clean, corrupted, answer, wrong, sites, edges, steps, check, report }, screen, signal) {
    const model = await openModel(name, { onProgress: screen.note })
    try {
      const given = { clean, corrupted, answer, wrong }
      const said = { model: model.name, clean: model.pieces(clean), corrupted: model.pieces(corrupted), answer, wrong }
      if (edges) {
        const found = await attributeEdges(model, given, { steps, signal })
        if (found.note) screen.warn(found.note)
        sayWhole(screen, steps, found.whole)
        for (const edge of found.edges) screen.emit(edge)
        const most = found.edges.toSorted((a, b) => Math.abs(b.effect) - Math.abs(a.effect))
        screen.line(`${found.edges.length} edges; the strongest:`)
        screen.table([['effect', 'from', 'to'], ...most.slice(0, 12).map(({ from, to, effect }) => [fixed(effect, 3), from, to])])
        await writeReportPage(report, screen, () => edgePage({ ...said, gap: found.gap, edges: most }))
        return
      }
      const { gap, effects, whole } = await attribute(model, given, { sites, steps, signal })
      sayWhole(screen, steps, whole)
      for (const effect of effects) screen.emit(effect)
      printEffects(screen, gap, effects, said.clean)
      if (check) {
        const patched = await patch(model, given, { sites, signal })
        for (const site of sites) {
          const of = (rows: typeof effects) => rows.filter((row) => row.site === site).map(({ effect }) => effect)
          screen.line(`${site}: correlation with patching ${fixed(sampleCorrelation(of(effects), of(patched.effects)), 3)}`)
        }
      }
      await writeReportPage(report, screen, () =>
        causePage({ ...said, gap, title: 'Attribution patching', what: 'first-order effect', effects }),
      )
    } finally {
      await model.close()
    }
  },
})
