import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'
import { smoothedLogistic } from './sorted.ts'

/**
 * Contrastive preference optimization: −log σ(β(log π(chosen) − log π(rejected))) + α·NLL, with NLL minus log π(chosen) per token, the mean over
 * all chosen tokens of the batch. There is no reference; the second term holds the model to the chosen side.
 *
 * shape   log-probabilities, lengths f32[pairs] → f32[pairs]; the trainer takes the mean
 * units   log-probabilities in nats, beta in 1/nat, alpha in log-odds per nat and token
 * source  Xu et al. 2024, arXiv:2401.08417, equation 3; the mean over tokens as huggingface/trl takes it
 */
export const cpo = preferenceLoss({
  name: 'cpo',
  about: 'DPO without a reference, and the chosen side learned as text beside it.',
  formula: '−log σ(β(log π(chosen) − log π(rejected))) + α·NLL(chosen)',
  needs: ['policy', 'length'],
  params: {
    beta: { about: 'log-odds of the choice per nat', default: 0.1, unit: '1/nat', above: 0 },
    alpha: { about: 'weight of the chosen side’s nats per token', default: 1, unit: 'tokens/nat', atLeast: 0 },
    labelSmoothing: { about: 'how often a vote is for the wrong side', default: 0, unit: 'share', atLeast: 0, atMost: 0.5 },
  },
  source: 'Xu et al. 2024, arXiv:2401.08417, equation 3',

  perPair({ chosen, rejected }, { beta, alpha, labelSmoothing }) {
    const preference = smoothedLogistic(chosen.logp.sub(rejected.logp), beta, labelSmoothing)
    return alpha === 0 ? preference : preference.add(chosen.nll.mul(alpha))
  },

  known: [
    { id: 'V-CPO-1', at: points.A, params: { alpha: 0 }, loss: 0.5543552445 },
    { id: 'V-CPO-1', at: points.B, params: { alpha: 0 }, loss: 0.5543552445 },
    { id: 'V-CPO-2', at: points.A, loss: 2.5543552445 },
    { id: 'V-CPO-2', at: points.B, loss: 2.5543552445 },
  ],
})
