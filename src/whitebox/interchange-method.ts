import { type Interchange, openInterchange } from './interchange.ts'
import { logitDifferences } from './masked-runs.ts'
import { apart, type Method } from './method.ts'
import { sampleContrast } from './sample-contrast.ts'
import { orthonormal, projected, randomBasis } from './subspace.ts'
import { valuesAt } from './values-at.ts'

/** Interchange interventions, with what must hold of any model. */
export const interchangeMethod: Method = {
  name: 'interchange interventions',
  about: 'What a model says after one text when the part of its activation that lies in a subspace is that of another text.',
  source: 'Geiger et al. 2021, arXiv:2106.02997; Geiger et al. 2023, arXiv:2303.02536',

  async laws(model) {
    const { clean: base, corrupted: source, answer, wrong } = sampleContrast(model)
    const position = Math.floor(base.length / 2)
    const row = { base, source, basePosition: position, sourcePosition: position, answer, wrong }
    // A base of other length, so that there are two batches.
    const short = { ...row, base: base.slice(0, -1), source: base.slice(0, -1) }
    const d = model.config.hiddenSize
    const said = async (of: Interchange, basis: readonly Float64Array[]) =>
      (await of.run((i) => projected(basis, of.differences[i]!))).map(({ difference }) => difference)
    const tap = 'blocks.0.out'
    const of = await openInterchange(model, [row, short], tap)
    const mask = Float32Array.from(base, (_, t) => Number(t === position))
    const others = await valuesAt(model, source, [tap])
    const runs = [
      { tokens: base, masks: {} },
      { tokens: base, masks: { [tap]: mask } },
    ]
    const [plain, patched] = (await logitDifferences(model, { runs, others, answers: [answer, wrong] })) as unknown as [number, number]
    const all = await said(of, randomBasis(d, d, 3))
    const none = await said(of, [])
    const some = randomBasis(2, d, 4)
    const turned = orthonormal([some[0]!.map((x, i) => 3 * x - some[1]![i]!), some[0]!.map((x, i) => x + 2 * some[1]![i]!)])
    const within = 1e-4 * Math.max(1, Math.abs(plain), Math.abs(patched))
    return [
      { law: `k = d is patching`, seen: all[0]!, wanted: patched, within },
      { law: `k = 0 changes nothing`, seen: none[0]!, wanted: plain, within },
      { law: `a source that is the base changes nothing`, seen: all[1]!, wanted: none[1]!, within },
      {
        law: `the basis of a subspace does not matter`,
        seen: apart(await said(of, some), await said(of, turned)),
        wanted: 0,
        within,
      },
    ]
  },
}
