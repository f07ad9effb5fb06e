import { attribute, attributions } from './attribute.ts'
import { shareOf } from './contrast.ts'
import { attributeEdges } from './edges.ts'
import { logitDifferences } from './masked-runs.ts'
import type { Law, Method } from './method.ts'
import { gapOf } from './patch.ts'
import { sampleContrast } from './sample-contrast.ts'
import { valuesAt } from './values-at.ts'

/** Attribution patching of nodes and edges, with what must hold of it. */
export const attributeMethod: Method = {
  name: 'attribution patching',
  about:
    'What patching each value would do, to first order: (a_clean − a_corrupted) · ∂m/∂a, for nodes and for edges from writers to readers.',
  source: 'Nanda 2023, "Attribution patching"; edges: Syed et al. 2023, arXiv:2310.10348; steps: Hanna et al. 2024, arXiv:2403.17806',

  async laws(model) {
    const contrast = sampleContrast(model)
    const T = contrast.clean.length
    const share = shareOf({ ...(await gapOf(model, contrast)) })
    const gap = await gapOf(model, contrast)
    const scale = gap.clean - gap.corrupted
    const total = (data: ArrayLike<number>) => Array.from(data).reduce((sum, x) => sum + x, 0)

    const others = await valuesAt(model, contrast.clean, ['embed'])
    const step = 0.02
    const runs = [step, -step].map((way) => ({ tokens: contrast.corrupted, masks: { embed: new Float32Array(T).fill(way) } }))
    const [more, less] = await logitDifferences(model, { runs, others, answers: [contrast.answer, contrast.wrong] })
    const { embed } = await attributions(model, contrast, ['embed'])
    const laws: Law[] = [
      {
        law: 'the embedding: the slope is the central difference',
        seen: total(embed!.data) / scale,
        wanted: (share(more!) - share(less!)) / (2 * step),
        within: 0.02 * Math.max(1, Math.abs(total(embed!.data) / scale)),
      },
    ]
    const { whole } = await attribute(model, contrast, { sites: [], steps: 64 })
    laws.push({ law: 'integrated gradients of the embedding add up to 1', seen: whole, wanted: 1, within: 0.01 })

    const { effects } = await attribute(model, contrast, { sites: ['heads', 'attn.out', 'mlp.out'] })
    const { edges } = await attributeEdges(model, contrast)
    const nodes = new Map<string, number>([['embed', total(embed!.data) / scale]])
    for (const { site, layer, head, effect } of effects) {
      const name = site === 'heads' ? `head ${layer}.${head}` : `${site.split('.')[0]} ${layer}`
      nodes.set(name, (nodes.get(name) ?? 0) + effect)
    }
    const apart = [...new Set(edges.map(({ from }) => from))].map((from) => {
      const sum = total(edges.filter((edge) => edge.from === from).map(({ effect }) => effect))
      return Math.abs(sum - nodes.get(from)!) / Math.max(1, Math.abs(sum))
    })
    laws.push({ law: 'edges out of a writer add up to its node effect', seen: Math.max(...apart), wanted: 0, within: 1e-3 })
    return laws
  },
}
