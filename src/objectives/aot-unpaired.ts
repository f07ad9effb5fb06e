import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'
import { smoothedLogistic, sorted } from './sorted.ts'

/**
 * Alignment via optimal transport, unpaired: the log-ratios of the batch's chosen sides, sorted, are compared with those of its rejected sides,
 * sorted, whichever prompt they are of: −log σ(β(uᵢ − vᵢ)).
 *
 * shape   log-ratios f32[pairs] → f32[pairs], in sorted order; the trainer takes the mean
 * units   log-ratios in nats, beta in 1/nat
 * limits  a batch of one pair is DPO; a step must fit one pass, and each vote be for one side
 * source  Melnyk et al. 2024, arXiv:2406.05882, equation 6
 */
export const aotUnpaired = preferenceLoss({
  name: 'aotUnpaired',
  about: 'The sorted log-ratios of a batch’s chosen sides above those of its rejected sides.',
  formula: '−log σ(β(uᵢ − vᵢ)), u and v the sorted log-ratios of chosen and rejected sides',
  needs: ['policy', 'reference'],
  params: {
    beta: { about: 'pull to the reference: the larger, the less a margin needs to grow', default: 0.1, unit: '1/nat', above: 0 },
    labelSmoothing: { about: 'how often a vote is for the wrong side', default: 0, unit: 'share', atLeast: 0, atMost: 0.5 },
  },
  source: 'Melnyk et al. 2024, arXiv:2406.05882, equation 6',
  whole: true,
  marksOf: () => [
    { as: 'choice', reason: 'AOT compares sorted margins: the order is chosen by them (Melnyk et al. 2024, arXiv:2406.05882)' },
  ],

  perPair: ({ chosen, rejected }, { beta, labelSmoothing }) =>
    smoothedLogistic(sorted(chosen.logRatio).sub(sorted(rejected.logRatio)), beta, labelSmoothing),
  atReference: () => Math.LN2,

  known: [
    { id: 'V-AOT-2', at: points.A, loss: 0.5981388694, slopes: { chosen: -0.0450166, rejected: 0.0450166 } },
    { id: 'V-AOT-2', at: points.B, loss: 0.7313501408 },
    { id: 'V-AOT-2', at: points.reference, loss: Math.LN2 },
  ],
})
