import { logSigmoid } from '../graph/index.ts'
import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'

/**
 * Binary classifier optimization of pairs: −log σ(βr(chosen)) − log σ(−βr(rejected)), with r the log-ratio: each side is classified by itself.
 * `bcoUnpaired` is the same of single completions, with a shift.
 *
 * shape   log-ratios f32[pairs] → f32[pairs]; the trainer takes the mean
 * units   r in nats, beta in 1/nat
 * source  Jung et al. 2024, arXiv:2404.04656, equation 9, without the shift, as huggingface/trl has it for pairs
 */
export const bco = preferenceLoss({
  name: 'bco',
  about: 'A classifier of single completions on both sides of a pair: the log-ratio is its logit.',
  formula: '−log σ(βr(chosen)) − log σ(−βr(rejected))',
  needs: ['policy', 'reference'],
  params: { beta: { about: 'how fast a side’s gain saturates', default: 0.1, unit: '1/nat', above: 0 } },
  source: 'Jung et al. 2024, arXiv:2404.04656',

  perPair: ({ chosen, rejected }, { beta }) =>
    logSigmoid(chosen.logRatio.mul(beta))
      .add(logSigmoid(rejected.logRatio.mul(-beta)))
      .neg(),
  atReference: () => 2 * Math.LN2,

  known: [
    { id: 'V-BCO-1', at: points.A, loss: 1.2887933201, slopes: { chosen: -0.04750208, rejected: 0.04750208 } },
    { id: 'V-BCO-1', at: points.B, loss: 1.4260586833 },
    { id: 'V-BCO-1', at: points.reference, loss: 2 * Math.LN2 },
  ],
})
