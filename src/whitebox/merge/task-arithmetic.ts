import { addDeltas, deltaParameters } from './deltas.ts'
import { mergeMethod } from './method.ts'

/** The base plus a weighted sum of task vectors. */
export const taskArithmetic = mergeMethod({
  name: 'task_arithmetic',
  about: 'base + λ Σ w·δ',
  source: 'Ilharco et al. 2022, arXiv:2212.04089, section 2',
  base: 'needed',
  models: { least: 1 },
  parameters: deltaParameters({ normalize: false, rescale: false }),

  merge: (given, values) => (given.others.length === 0 ? given.base! : addDeltas(given, values, false)),
})
