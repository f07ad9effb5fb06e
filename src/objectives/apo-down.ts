import { sigmoid } from '../graph/index.ts'
import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'

/**
 * Anchored preference optimization for data that is worse than the model: σ(βr(chosen)) + (1 − σ(βm)), with m the margin of the log-ratios r. Both
 * sides fall, the rejected one by more.
 *
 * shape   log-ratios f32[pairs] → f32[pairs]; the trainer takes the mean
 * units   r and m in nats, beta in 1/nat
 * limits  wherever |m| is above |r(chosen)| the chosen side is pushed down: that is what it is for
 * source  D'Oosterlinck et al. 2024, arXiv:2408.06266, equation 8
 */
export const apoDown = preferenceLoss({
  name: 'apoDown',
  about: 'Both sides down, the rejected one by more: for data that is worse than the model.',
  formula: 'σ(βr(chosen)) + (1 − σ(βm))',
  needs: ['policy', 'reference'],
  params: { beta: { about: 'how fast a gain saturates', default: 0.1, unit: '1/nat', above: 0 } },
  source: 'D’Oosterlinck et al. 2024, arXiv:2408.06266, equation 8',

  perPair: ({ chosen, rejected }, { beta }) =>
    sigmoid(chosen.logRatio.mul(beta)).add(sigmoid(chosen.logRatio.sub(rejected.logRatio).mul(-beta))),
  atReference: () => 1,

  known: [
    { id: 'V-APOD-1', at: points.A, loss: 0.9751451902, slopes: { chosen: 0.00018595, rejected: 0.02475166 } },
    { id: 'V-APOD-1', at: points.B, loss: 1.0312386124 },
    { id: 'V-APOD-1', at: points.reference, loss: 1 },
  ],
})
