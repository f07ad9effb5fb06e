import { logSigmoid, maximum } from '../graph/index.ts'
import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'

/**
 * DPO-positive: −log σ(β(m − λ·max(0, −r(chosen)))), with m the margin and r the log-ratio. A chosen side that falls below the reference costs λ
 * times as much, so that a margin is not won by lowering both.
 *
 * shape   log-ratios f32[pairs] → f32[pairs]; the trainer takes the mean
 * units   m and r in nats, beta in 1/nat
 * source  Pal et al. 2024, arXiv:2402.13228, equation 3
 */
export const dpop = preferenceLoss({
  name: 'dpop',
  about: 'DPO that a chosen side which falls below the reference pays for: against displacement.',
  formula: '−log σ(β(m − λ·max(0, −r(chosen))))',
  needs: ['policy', 'reference'],
  params: {
    beta: { about: 'pull to the reference: the larger, the less a margin needs to grow', default: 0.1, unit: '1/nat', above: 0 },
    lambda: { about: 'what a nat that the chosen side falls costs, in nats of margin', default: 50, unit: '', atLeast: 0 },
  },
  source: 'Pal et al. 2024, arXiv:2402.13228, equation 3',

  perPair({ chosen, rejected }, { beta, lambda }) {
    const fallen = maximum(chosen.logRatio.neg(), 0)
    const margin = chosen.logRatio.sub(rejected.logRatio).sub(fallen.mul(lambda))
    return logSigmoid(margin.mul(beta)).neg()
  },
  atReference: () => Math.LN2,
  marksOf: () => [
    { as: 'choice', reason: 'DPO-positive turns where the chosen side falls below the reference (Pal et al. 2024, arXiv:2402.13228)' },
  ],

  known: [
    { id: 'V-DPO-1', at: points.A, loss: 0.5981388694, slopes: { chosen: -0.0450166, rejected: 0.0450166 } },
    { id: 'Pal et al. 2024, equation 3', at: points.fallen, loss: 2.5097804996 },
    { id: 'Pal et al. 2024, equation 3', at: points.fallen, params: { lambda: 5 }, loss: 0.7844704307 },
  ],
})
