import { logSigmoid, sigmoid } from '../graph/index.ts'
import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'

/**
 * Exact optimization on pairs: KL(σ(βm) ‖ 1 − ε) between what the policy prefers and the smoothed vote, with the policy first, where DPO has it
 * second.
 *
 * shape   log-ratios f32[pairs] → f32[pairs]; the trainer takes the mean
 * units   m in nats, beta in 1/nat, labelSmoothing a probability; the loss in nats
 * limits  with labelSmoothing 0 the loss has no end
 * source  Ji et al. 2024, arXiv:2402.00856, equation 16
 */
export const exo = preferenceLoss({
  name: 'exo',
  about: 'The reverse KL of the policy’s preference from the smoothed vote.',
  formula: 'q·(log q − log(1−ε)) + (1−q)·(log(1−q) − log ε), q = σ(βm)',
  needs: ['policy', 'reference'],
  params: {
    beta: { about: 'pull to the reference: the larger, the less a margin needs to grow', default: 0.1, unit: '1/nat', above: 0 },
    labelSmoothing: { about: 'what a vote leaves to the other side', default: 0.001, unit: 'share', above: 0, below: 0.5 },
  },
  source: 'Ji et al. 2024, arXiv:2402.00856, equation 16',

  perPair({ chosen, rejected }, { beta, labelSmoothing }) {
    const odds = chosen.logRatio.sub(rejected.logRatio).mul(beta)
    const won = sigmoid(odds).mul(logSigmoid(odds).sub(Math.log1p(-labelSmoothing)))
    const lost = sigmoid(odds.neg()).mul(logSigmoid(odds.neg()).sub(Math.log(labelSmoothing)))
    return won.add(lost)
  },
  atReference: ({ labelSmoothing }) => -Math.LN2 - (Math.log1p(-labelSmoothing) + Math.log(labelSmoothing)) / 2,

  known: [
    { id: 'V-EXO-1', at: points.A, loss: 2.4220146207, slopes: { chosen: -0.1660033, rejected: 0.1660033 } },
    { id: 'V-EXO-1', at: points.B, loss: 2.8913743223 },
    { id: 'V-EXO-1', at: points.reference, loss: 2.7612307091 },
  ],
})
