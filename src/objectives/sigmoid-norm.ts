import { logSigmoid } from '../graph/index.ts'
import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'

/**
 * DPO on means per token: −log σ(β(r(chosen)/n − r(rejected)/n′)), with r the log-ratio and n the completion's tokens. A longer side wins no more
 * by its length.
 *
 * shape   log-ratios, lengths f32[pairs] → f32[pairs]; the trainer takes the mean
 * units   the margin in nats per token, beta in tokens per nat
 * source  Lambert et al. 2024 (Tülu 3), arXiv:2411.15124, equation 6
 */
export const sigmoidNorm = preferenceLoss({
  name: 'sigmoidNorm',
  about: 'DPO whose margin is of log-ratios per token, so that length alone wins nothing.',
  formula: '−log σ(β(r(chosen)/n − r(rejected)/n′))',
  needs: ['policy', 'reference', 'length'],
  params: { beta: { about: 'pull to the reference, per token', default: 0.1, unit: 'tokens/nat', above: 0 } },
  source: 'Lambert et al. 2024, arXiv:2411.15124, equation 6',

  perPair({ chosen, rejected }, { beta }) {
    const margin = chosen.logRatio.div(chosen.length).sub(rejected.logRatio.div(rejected.length))
    return logSigmoid(margin.mul(beta)).neg()
  },
  atReference: () => Math.LN2,

  known: [
    { id: 'V-SNORM-1', at: points.A, loss: 0.6799027335, slopes: { chosen: -0.00822223, rejected: 0.00493334 } },
    { id: 'V-SNORM-1', at: points.B, loss: 0.695232684 },
    { id: 'V-SNORM-1', at: points.reference, loss: Math.LN2 },
  ],
})
