import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'

/**
 * Self-play preference optimization with hard votes: (r(chosen) − 1/(2β))² + (r(rejected) + 1/(2β))², with r the log-ratio: both sides have a
 * finite place to reach.
 *
 * shape   log-ratios f32[pairs] → f32[pairs]; the trainer takes the mean
 * units   r in nats, beta in 1/nat; the loss in nats²
 * source  Wu et al. 2024, arXiv:2405.00675, equation 4.7, with the win probability 1 or 0
 */
export const sppo = preferenceLoss({
  name: 'sppo',
  about: 'The squared distance of both log-ratios from 1/(2β) up and down.',
  formula: '(r(chosen) − 1/(2β))² + (r(rejected) + 1/(2β))²',
  needs: ['policy', 'reference'],
  params: { beta: { about: 'the place to reach is 1/(2β)', default: 0.1, unit: '1/nat', above: 0 } },
  source: 'Wu et al. 2024, arXiv:2405.00675, equation 4.7',

  perPair({ chosen, rejected }, { beta }) {
    const [up, down] = [chosen.logRatio.sub(0.5 / beta), rejected.logRatio.add(0.5 / beta)]
    return up.mul(up).add(down.mul(down))
  },
  atReference: ({ beta }) => 0.5 / (beta * beta),

  known: [
    { id: 'V-SPPO-1', at: points.A, loss: 32, slopes: { chosen: -8, rejected: 8 } },
    { id: 'V-SPPO-1', at: points.B, loss: 59.3125 },
    { id: 'V-SPPO-1', at: points.reference, loss: 50 },
  ],
})
