import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'
import { smoothedLogistic } from './sorted.ts'

/**
 * Simple Preference Optimization: −log σ(β·(a(chosen) − a(rejected)) − γ), with a(y) = log π(y) per token. There is no reference, so
 * nothing but the data and the number of steps holds the model near where it began.
 *
 * shape   log-probabilities f32[pairs], lengths f32[pairs] → f32[pairs]
 * units   a in nats per token, beta in tokens per nat, gamma in log-odds
 * source  Meng, Xia, Chen 2024, arXiv:2405.14734, equation 6
 */
export const simpo = preferenceLoss({
  name: 'simpo',
  about: 'DPO without a reference: mean log-probabilities per token, and a margin γ to win by.',
  formula: '−log σ(β(log π(chosen)/n − log π(rejected)/n′) − γ)',
  needs: ['policy', 'length'],
  params: {
    beta: { about: 'log-odds of the choice per nat and token', default: 2, unit: 'tokens/nat', above: 0 },
    gamma: { about: 'log-odds that the chosen side must win by', default: 0.5, unit: 'log-odds', atLeast: 0 },
    labelSmoothing: { about: 'how often a vote is for the wrong side', default: 0, unit: 'share', atLeast: 0, atMost: 0.5 },
  },
  source: 'Meng, Xia, Chen 2024, arXiv:2405.14734, equation 6',

  perPair({ chosen, rejected }, { beta, gamma, labelSmoothing }) {
    const margin = chosen.logp.div(chosen.length).sub(rejected.logp.div(rejected.length))
    return smoothedLogistic(margin.mul(beta).sub(gamma), 1, labelSmoothing)
  },

  known: [
    { id: 'V-SIMPO-1', at: points.A, loss: 1.701413278 },
    { id: 'V-SIMPO-1', at: points.B, loss: 1.701413278 },
  ],
})
