import { logSigmoid } from '../graph/index.ts'
import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'

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
  needs: ['policy', 'length'],
  params: {
    beta: { about: 'log-odds of the choice per nat and token', default: 2, unit: 'tokens/nat', above: 0 },
    gamma: { about: 'log-odds that the chosen side must win by', default: 0.5, unit: 'log-odds', atLeast: 0 },
  },
  source: 'Meng, Xia, Chen 2024, arXiv:2405.14734, equation 6',

  perPair({ chosen, rejected }, { beta, gamma }) {
    const margin = chosen.logp.div(chosen.length).sub(rejected.logp.div(rejected.length))
    return logSigmoid(margin.mul(beta).sub(gamma)).neg()
  },

  known: [
    { id: 'V-SIMPO-1', at: points.A, loss: 1.701413278 },
    { id: 'V-SIMPO-1', at: points.B, loss: 1.701413278 },
  ],
})
