import { logSigmoid } from '../graph/index.ts'
import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'

/**
 * Direct Preference Optimization: −log σ(β·m), with the margin m = r(chosen) − r(rejected)
 * and the log-ratio r(y) = log π(y) − log π_ref(y), summed over the tokens of the completion.
 *
 * shape   log-ratios f32[pairs] → f32[pairs]; the trainer takes the mean
 * units   log-ratios and m in nats, beta in 1/nat; beta·m is the log-odds of the observed choice
 * source  Rafailov et al. 2023, arXiv:2305.18290, equation 7
 */
export const dpo = preferenceLoss({
  name: 'dpo',
  about: 'The negative log-likelihood of the choices, were β times the log-ratio a reward (Bradley–Terry).',
  needs: ['policy', 'reference'],
  params: { beta: { about: 'pull to the reference: the larger, the less a margin needs to grow', default: 0.1, unit: '1/nat', above: 0 } },
  source: 'Rafailov et al. 2023, arXiv:2305.18290, equation 7',

  perPair({ chosen, rejected }, { beta }) {
    const margin = chosen.logRatio.sub(rejected.logRatio)
    return logSigmoid(margin.mul(beta)).neg()
  },
  atReference: () => Math.LN2,

  known: [
    { id: 'V-DPO-1', at: points.A, loss: 0.5981388694, slopes: { chosen: -0.0450166, rejected: 0.0450166 } },
    { id: 'V-DPO-1', at: points.B, loss: 0.7313501408, slopes: { chosen: -0.0518741216, rejected: 0.0518741216 } },
    { id: 'V-DPO-1', at: points.reference, loss: Math.LN2, slopes: { chosen: -0.05, rejected: 0.05 } },
    { id: 'V-CDPO-1', at: points.A, q: 0.9, loss: 0.6181388694, slopes: { chosen: -0.0350166, rejected: 0.0350166 } },
    { id: 'V-CDPO-1', at: points.B, q: 0.9, loss: 0.7238501408 },
    { id: 'V-CDPO-1', at: points.reference, q: 0.9, loss: Math.LN2 },
  ],
})
