import { logSigmoid } from '../graph/index.ts'
import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'

/**
 * DPO that knows that votes are wrong at a rate ε: [−(1−ε)·log σ(βm) + ε·log σ(−βm)] / (1 − 2ε). Its mean over votes that were flipped at that
 * rate is DPO's over those that were not.
 *
 * shape   log-ratios f32[pairs] → f32[pairs]; the trainer takes the mean
 * units   m in nats, beta in 1/nat, labelSmoothing a probability
 * source  Chowdhury, Kini & Natarajan 2024, arXiv:2403.00409, equation 7
 */
export const robust = preferenceLoss({
  name: 'robust',
  about: 'DPO without the bias of votes that are wrong at a known rate.',
  formula: '[−(1−ε)·log σ(βm) + ε·log σ(−βm)] / (1−2ε)',
  needs: ['policy', 'reference'],
  params: {
    beta: { about: 'pull to the reference: the larger, the less a margin needs to grow', default: 0.1, unit: '1/nat', above: 0 },
    labelSmoothing: { about: 'how often a vote is for the wrong side', default: 0, unit: 'share', atLeast: 0, below: 0.5 },
  },
  source: 'Chowdhury, Kini & Natarajan 2024, arXiv:2403.00409, equation 7',

  perPair({ chosen, rejected }, { beta, labelSmoothing }) {
    const odds = chosen.logRatio.sub(rejected.logRatio).mul(beta)
    const [right, wrong] = [logSigmoid(odds), logSigmoid(odds.neg())]
    return wrong
      .mul(labelSmoothing)
      .sub(right.mul(1 - labelSmoothing))
      .div(1 - 2 * labelSmoothing)
  },
  atReference: () => Math.LN2,

  known: [
    {
      id: 'V-RDPO-1',
      at: points.A,
      params: { labelSmoothing: 0.1 },
      loss: 0.5731388694,
      slopes: { chosen: -0.0575166, rejected: 0.0575166 },
    },
    { id: 'V-RDPO-1', at: points.B, params: { labelSmoothing: 0.1 }, loss: 0.7407251408 },
    { id: 'V-RDPO-1', at: points.reference, params: { labelSmoothing: 0.1 }, loss: Math.LN2 },
  ],
})
