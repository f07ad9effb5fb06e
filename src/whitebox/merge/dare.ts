import { addDeltas, deltaParameters, keepOnly } from './deltas.ts'
import { mergeMethod } from './method.ts'

const parameters = deltaParameters({ normalize: false, rescale: true })

/** Task vectors of which each entry is kept with one probability, and what is kept scaled up, added. */
export const dareLinear = dareMethod('dare_linear', 'base + λ Σ w·δ of entries drawn at random, scaled to Σ|δ| of all', false)

/** The same with signs elected as in TIES. */
export const dareTies = dareMethod('dare_ties', 'as dare_linear, of those δ that have the elected sign', true)

function dareMethod(name: string, about: string, elect: boolean) {
  return mergeMethod({
    ...{ name, about, source: 'Yu et al. 2023, arXiv:2311.03099, section 3; scaled by Σ|δ| as in mergekit 0.1.5; V-DARE-1' },
    ...{ base: 'needed', models: { least: 1 }, parameters },

    merge(given, values) {
      if (given.others.length === 0) return given.base!
      const scales = given.others.map((x, m) => {
        const density = values.density[m]!
        if (density >= 1) return 1
        const mask = given.draw(m, density)
        return keepOnly(x, given.base!, values.rescale, (i) => mask[i]! === 1)
      })
      return addDeltas(given, values, elect, scales)
    },
  })
}
