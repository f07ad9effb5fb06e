import { sigmoid } from '../graph/index.ts'
import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'

/**
 * Anchored preference optimization for data that is better than the model: (1 − σ(βr(chosen))) + σ(βr(rejected)), with r the log-ratio. The chosen
 * side rises and the rejected one falls, each by itself.
 *
 * shape   log-ratios f32[pairs] → f32[pairs]; the trainer takes the mean
 * units   r in nats, beta in 1/nat
 * source  D'Oosterlinck et al. 2024, arXiv:2408.06266, equation 7
 */
export const apoZero = preferenceLoss({
  name: 'apoZero',
  about: 'The chosen side up and the rejected one down, each by itself: for data that is better than the model.',
  formula: '(1 − σ(βr(chosen))) + σ(βr(rejected))',
  needs: ['policy', 'reference'],
  params: { beta: { about: 'how fast a side’s gain saturates', default: 0.1, unit: '1/nat', above: 0 } },
  source: 'D’Oosterlinck et al. 2024, arXiv:2408.06266, equation 7',

  perPair: ({ chosen, rejected }, { beta }) => sigmoid(chosen.logRatio.mul(-beta)).add(sigmoid(rejected.logRatio.mul(beta))),
  atReference: () => 1,

  known: [
    { id: 'V-APOZ-1', at: points.A, loss: 0.950041625, slopes: { chosen: -0.0249376, rejected: 0.0249376 } },
    { id: 'V-APOZ-1', at: points.B, loss: 1.0187119769 },
    { id: 'V-APOZ-1', at: points.reference, loss: 1 },
  ],
})
