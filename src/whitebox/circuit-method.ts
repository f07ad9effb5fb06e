import { circuit } from './circuit.ts'
import { shareOf } from './contrast.ts'
import { reaches, readersOf, writersOf } from './edges.ts'
import { logitDifferences } from './masked-runs.ts'
import type { Method } from './method.ts'
import { gapOf } from './patch.ts'
import { sampleContrast } from './sample-contrast.ts'
import { valuesAt } from './values-at.ts'

/** Circuits, with what must hold of them. */
export const circuitMethod: Method = {
  name: 'circuits',
  about: 'The share of a logit difference that is left when every edge outside of a set carries corrupted values.',
  source: 'Conmy et al. 2023, arXiv:2304.14997; Hanna et al. 2024, arXiv:2403.17806',

  async laws(model) {
    const { config } = model
    const contrast = sampleContrast(model)
    const all = writersOf(config).flatMap((writer) =>
      readersOf(config)
        .filter((reader) => reaches(writer, reader, config))
        .map((reader) => ({ from: writer.name, to: reader.name })),
    )
    const left = async (edges: typeof all) => (await circuit(model, contrast, edges)).faithfulness
    // All edges but those of one MLP: the same as its corrupted value in the clean run.
    const tap = 'blocks.0.mlp.out'
    const others = await valuesAt(model, contrast.corrupted, [tap])
    const runs = [{ tokens: contrast.clean, masks: { [tap]: new Float32Array(contrast.clean.length).fill(1) } }]
    const [noised] = await logitDifferences(model, { runs, others, answers: [contrast.answer, contrast.wrong] })
    const node = shareOf(await gapOf(model, contrast))(noised!)
    return [
      { law: 'the whole circuit keeps all', seen: await left(all), wanted: 1, within: 1e-3 },
      { law: 'the empty circuit keeps nothing', seen: await left([]), wanted: 0, within: 1e-3 },
      {
        law: 'all edges but those out of an MLP: what the MLP corrupted leaves',
        seen: await left(all.filter(({ from }) => from !== 'mlp 0')),
        wanted: node,
        within: 1e-3 * Math.max(1, Math.abs(node)),
      },
    ]
  },
}
