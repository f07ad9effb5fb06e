import { logSigmoid } from '../graph/index.ts'
import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'

/**
 * Noise contrastive alignment of pairs: −log σ(βr(chosen)) − ½·log σ(−βr(chosen)) − ½·log σ(−βr(rejected)), with r the log-ratio. Each side has
 * its own say, so that the chosen one does not fall while the margin grows.
 *
 * shape   log-ratios f32[pairs] → f32[pairs]; the trainer takes the mean
 * units   r in nats, beta in 1/nat
 * source  Chen et al. 2024, arXiv:2402.05369, equation 11
 */
export const nca = preferenceLoss({
  name: 'nca',
  about: 'Noise contrastive alignment: the chosen side is held up by itself, not by the margin alone.',
  formula: '−log σ(βr(chosen)) − ½·log σ(−βr(chosen)) − ½·log σ(−βr(rejected))',
  needs: ['policy', 'reference'],
  params: { beta: { about: 'how fast a side’s gain saturates', default: 0.1, unit: '1/nat', above: 0 } },
  source: 'Chen et al. 2024, arXiv:2402.05369, equation 11',

  perPair({ chosen, rejected }, { beta }) {
    const [won, lost] = [chosen.logRatio.mul(beta), rejected.logRatio.mul(beta)]
    const noise = logSigmoid(won.neg()).add(logSigmoid(lost.neg())).mul(0.5)
    return logSigmoid(won).add(noise).neg()
  },
  atReference: () => 2 * Math.LN2,

  known: [
    { id: 'V-NCA-1', at: points.A, loss: 1.3387933201, slopes: { chosen: -0.02125312, rejected: 0.02375104 } },
    { id: 'V-NCA-1', at: points.B, loss: 1.4064889897 },
    { id: 'V-NCA-1', at: points.reference, loss: 2 * Math.LN2 },
  ],
})
