import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'
import { smoothedLogistic, sorted } from './sorted.ts'

/**
 * Alignment via optimal transport, paired: the policy's margins log π(chosen) − log π(rejected) of the whole batch, sorted, are compared with the
 * reference's, sorted: −log σ(β(uᵢ − vᵢ)). The policy's margins shall lie above the reference's as a distribution, not pair by pair.
 *
 * shape   log-probabilities f32[pairs] → f32[pairs], in the order of the sorted margins; the trainer takes the mean
 * units   margins in nats, beta in 1/nat
 * limits  a batch of one pair is DPO; a step must fit one pass, and each vote be for one side
 * source  Melnyk et al. 2024, arXiv:2406.05882, equation 5
 */
export const aot = preferenceLoss({
  name: 'aot',
  about: 'The sorted margins of the policy’s batch above the sorted margins of the reference’s.',
  formula: '−log σ(β(uᵢ − vᵢ)), u and v the sorted margins of policy and reference',
  needs: ['policy', 'reference'],
  params: {
    beta: { about: 'pull to the reference: the larger, the less a margin needs to grow', default: 0.1, unit: '1/nat', above: 0 },
    labelSmoothing: { about: 'how often a vote is for the wrong side', default: 0, unit: 'share', atLeast: 0, atMost: 0.5 },
  },
  source: 'Melnyk et al. 2024, arXiv:2406.05882, equation 5',
  whole: true,
  marksOf: () => [
    { as: 'choice', reason: 'AOT compares sorted margins: the order is chosen by them (Melnyk et al. 2024, arXiv:2406.05882)' },
  ],

  perPair({ chosen, rejected }, { beta, labelSmoothing }) {
    const [mine, theirs] = [chosen.logp.sub(rejected.logp), chosen.reference.sub(rejected.reference)]
    return smoothedLogistic(sorted(mine).sub(sorted(theirs)), beta, labelSmoothing)
  },
  atReference: () => Math.LN2,

  known: [
    { id: 'V-AOT-1', at: points.A, loss: 0.5981388694, slopes: { chosen: -0.0450166, rejected: 0.0450166 } },
    { id: 'V-AOT-1', at: points.B, loss: 0.7313501408 },
    { id: 'V-AOT-1', at: points.reference, loss: Math.LN2 },
  ],
})
