import { maximum } from '../graph/index.ts'
import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'

/**
 * The hinge loss of sequence likelihood calibration, on log-ratios: max(0, 1 − βm). A pair that is won by 1/β gives no gradient.
 *
 * shape   log-ratios f32[pairs] → f32[pairs]; the trainer takes the mean
 * units   m in nats, beta in 1/nat
 * source  Zhao et al. 2023, arXiv:2305.10425; with the log-ratio as Liu et al. 2023, arXiv:2309.06657
 */
export const hinge = preferenceLoss({
  name: 'hinge',
  about: 'How much β times the margin lacks of 1; nothing where it is won by more.',
  formula: 'max(0, 1 − βm)',
  needs: ['policy', 'reference'],
  params: { beta: { about: 'a margin of 1/β is enough', default: 0.1, unit: '1/nat', above: 0 } },
  source: 'Zhao et al. 2023, arXiv:2305.10425',

  perPair: ({ chosen, rejected }, { beta }) => maximum(chosen.logRatio.sub(rejected.logRatio).mul(beta).neg().add(1), 0),
  atReference: () => 1,

  known: [
    { id: 'V-HINGE-1', at: points.A, loss: 0.8, slopes: { chosen: -0.1, rejected: 0.1 } },
    { id: 'V-HINGE-1', at: points.B, loss: 1.075 },
    { id: 'V-HINGE-1', at: points.reference, loss: 1 },
  ],
})
