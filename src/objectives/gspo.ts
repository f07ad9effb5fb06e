import { exp } from '../graph/index.ts'
import { standardised } from './groups.ts'
import { beside, clippedGain, outside, overTokens } from './ratios.ts'
import { type RolloutSide, rolloutLoss } from './rollouts.ts'

/**
 * Group sequence policy optimisation: one ratio for a completion, exp of the mean log-ratio of its tokens, which is clipped as a whole.
 *
 * shape   log-probabilities f32[completions, T] → f32[completions]; the trainer takes the mean
 * units   A has none
 * source  Zheng et al. 2025, arXiv:2507.18071, equations 5 to 7; TRL 1.16, `importance_sampling_level="sequence"`
 */
export const gspo = rolloutLoss({
  name: 'gspo',
  about: 'GRPO with one ratio for a whole completion, the geometric mean of its tokens’.',
  formula: '−min(sA, clip(s)A), s = exp(mean of the tokens’ log-ratios)',
  needs: ['policy', 'reference'],
  params: {
    group: { about: 'completions of each prompt', default: 8, unit: 'completions', atLeast: 2, whole: true },
    epsilon: { about: 'how far below 1 the ratio counts', default: 3e-4, unit: '', above: 0, below: 1 },
    epsilonHigh: { about: 'how far above 1 it counts', default: 4e-4, unit: '', above: 0 },
  },
  source: 'Zheng et al. 2025, arXiv:2507.18071',
  over: 'completions',

  advantages: standardised,
  perCompletion: (side, { epsilon, epsilonHigh }) => clippedGain(sequenceRatio(side), side.advantage, epsilon, epsilonHigh).neg(),
  clipped: (side, { epsilon, epsilonHigh }) => beside(outside(sequenceRatio(side), side.advantage, epsilon, epsilonHigh)),

  // The second one's ratio is 1.
  known: [
    {
      id: 'V-GSPO-1',
      rewards: [1, 0],
      logps: [
        [-0.9, -2.2, -2.7],
        [-1, -2, -3],
      ],
      sampled: [
        [-1, -2, -3],
        [-1, -2, -3],
      ],
      params: { epsilon: 0.2, epsilonHigh: 0.2 },
      losses: [(-1.0689391057 * 0.5) / (Math.SQRT1_2 + 1e-4), 0.5 / (Math.SQRT1_2 + 1e-4)],
      slopes: [(-1.0689391057 * 0.5) / 3 / (Math.SQRT1_2 + 1e-4), 0.5 / 3 / (Math.SQRT1_2 + 1e-4)],
    },
  ],
})

function sequenceRatio(side: RolloutSide) {
  return exp(overTokens(side.tokenRatio, side).div(side.length))
}
