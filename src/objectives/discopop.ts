import { exp, logSigmoid, sigmoid } from '../graph/index.ts'
import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'

/**
 * The loss that a language model proposed and trials picked: a blend of the logistic and the exponential loss of z = βm, by how large z is itself:
 * (1 − s)·(−log σ(z)) + s·exp(−z), with s = σ(z/τ).
 *
 * shape   log-ratios f32[pairs] → f32[pairs]; the trainer takes the mean
 * units   m in nats, beta in 1/nat
 * limits  not convex, and chaotic in training: two runs that differ by rounding part after some ten steps
 * source  Lu et al. 2024, arXiv:2406.08414, equation 5
 */
export const discopop = preferenceLoss({
  name: 'discopop',
  about: 'A blend of the logistic and the exponential loss that was found by search.',
  formula: '(1−s)·(−log σ(z)) + s·e^(−z), z = βm, s = σ(z/τ)',
  needs: ['policy', 'reference'],
  params: {
    beta: { about: 'pull to the reference: the larger, the less a margin needs to grow', default: 0.1, unit: '1/nat', above: 0 },
    tau: { about: 'how sharply the two losses are parted', default: 0.05, unit: 'log-odds', above: 0 },
  },
  source: 'Lu et al. 2024, arXiv:2406.08414, equation 5',

  perPair({ chosen, rejected }, { beta, tau }) {
    const odds = chosen.logRatio.sub(rejected.logRatio).mul(beta)
    const exponential = sigmoid(odds.div(tau))
    const logistic = exponential.neg().add(1)
    return exp(odds.neg()).mul(exponential).sub(logSigmoid(odds).mul(logistic))
  },
  atReference: () => 0.5 * Math.LN2 + 0.5,

  known: [
    { id: 'V-DISC-1', at: points.A, loss: 0.8147631411, slopes: { chosen: -0.07341767, rejected: 0.07341767 } },
    { id: 'V-DISC-1', at: points.B, loss: 0.7945667891 },
    { id: 'V-DISC-1', at: points.reference, loss: 0.8465735903 },
  ],
})
