import { exp } from '../graph/index.ts'
import { centred } from './groups.ts'
import { beside, clippedGain, outside, overTokens } from './ratios.ts'
import { rolloutLoss } from './rollouts.ts'

/**
 * GRPO without its two biases: A = r − mean r, not over a standard deviation, and tokens are summed over a constant length in the place of each
 * completion's own.
 *
 * shape   log-probabilities f32[completions, T] → f32[completions]; the trainer takes the mean
 * units   A in units of the reward
 * source  Liu et al. 2025, arXiv:2503.20783, section 3.2; TRL 1.16, `loss_type="dr_grpo"` without scaled rewards
 */
export const drGrpo = rolloutLoss({
  name: 'drGrpo',
  about: 'GRPO whose advantages are not over the group’s spread, and whose completions count by a length that all share.',
  formula: '1/L · sum over tokens of −min(ρA, clip(ρ)A), A the reward above the group’s mean',
  needs: ['policy', 'reference'],
  params: {
    group: { about: 'completions of each prompt', default: 8, unit: 'completions', atLeast: 2, whole: true },
    epsilon: { about: 'how far below 1 the ratio counts, and above', default: 0.2, unit: '', above: 0, below: 1 },
    length: {
      about: 'the length that all completions are counted by, L: the most tokens that were sampled',
      default: 256,
      unit: 'tokens',
      atLeast: 1,
      whole: true,
    },
  },
  source: 'Liu et al. 2025, arXiv:2503.20783',
  over: 'completions',

  advantages: centred,
  perCompletion: (side, { epsilon, length }) =>
    overTokens(clippedGain(exp(side.tokenRatio), beside(side.advantage), epsilon, epsilon), side).mul(-1 / length),
  clipped: (side, { epsilon }) => outside(exp(side.tokenRatio), beside(side.advantage), epsilon, epsilon),

  known: [
    {
      id: 'V-PG-1',
      rewards: [1, 0, 0, 1, 1, 0, 0, 0],
      logps: [[-1], [-2], [-3], [-4], [-5], [-6], [-7], [-8]],
      sampled: [[-1], [-2], [-3], [-4], [-5], [-6], [-7], [-8]],
      params: { length: 1 },
      losses: [-0.625, 0.375, 0.375, -0.625, -0.625, 0.375, 0.375, 0.375],
      slopes: [-0.625, 0.375, 0.375, -0.625, -0.625, 0.375, 0.375, 0.375],
    },
  ],
})
