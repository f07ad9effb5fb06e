import type { Value } from '../graph/index.ts'
import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'
import type { Side } from './side.ts'

/**
 * Identity Preference Optimization: (m − 1/(2β))², so that each pair has a finite margin to reach and none beyond it. Under a soft label
 * q the optimum is m = (2q − 1)/(2β), where DPO's runs away as q → 1.
 *
 * The paper's margin is of sums over tokens (`form: 'sums'`). TRL's is of means per token (`form: 'perToken'`), and that is the default;
 * the same β asks for very different models in the two.
 *
 * shape   log-ratios f32[pairs], lengths f32[pairs] → f32[pairs]
 * units   m in nats, or nats per token; beta in one over that; the loss in its square
 * source  Azar et al. 2023, arXiv:2310.12036, equation 17
 */
export const ipo = preferenceLoss({
  name: 'ipo',
  about: 'The squared distance of the margin from 1/(2β): a finite target where DPO has none.',
  formula: '(m − 1/(2β))², m per token or of sums',
  needs: ['policy', 'reference', 'length'],
  params: {
    beta: { about: 'the margin to reach is 1/(2β)', default: 0.1, unit: '1/nat', above: 0 },
    form: {
      about: 'the margin is of log-ratios per token (TRL) or summed over tokens (the paper)',
      default: 'perToken',
      choices: ['perToken', 'sums'],
    },
  },
  source: 'Azar et al. 2023, arXiv:2310.12036, equation 17',

  perPair({ chosen, rejected }, { beta, form }) {
    const ratio = ({ logRatio, length }: Side): Value => (form === 'sums' ? logRatio : logRatio.div(length))
    const missing = ratio(chosen)
      .sub(ratio(rejected))
      .sub(1 / (2 * beta))
    return missing.mul(missing)
  },
  atReference: ({ beta }) => 1 / (4 * beta * beta),

  known: [
    { id: 'V-IPO-1', at: points.A, params: { form: 'sums' }, loss: 9, slopes: { chosen: -6, rejected: 6 } },
    { id: 'V-IPO-1', at: points.B, params: { form: 'sums' }, loss: 33.0625 },
    { id: 'V-IPO-1', at: points.reference, params: { form: 'sums' }, loss: 25 },
    { id: 'V-IPO-2', at: points.A, loss: 22.4044444444, slopes: { chosen: -1.57777778, rejected: 0.94666667 } },
    { id: 'V-IPO-2', at: points.B, loss: 25.4184027778 },
    { id: 'V-IPO-2', at: points.reference, loss: 25 },
  ],
})
