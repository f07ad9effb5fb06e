import { exp } from '../graph/index.ts'
import { standardised } from './groups.ts'
import { beside, clippedGain, outside, overTokens } from './ratios.ts'
import { rolloutLoss } from './rollouts.ts'

/**
 * GRPO with a higher bound above than below, so that rare tokens can grow, and the mean over all tokens of a step, so that long completions count by
 * their tokens.
 *
 * shape   log-probabilities f32[completions, T] → f32[completions]; the trainer takes the mean over tokens
 * units   A has none
 * limits  sampling again where all rewards of a group are alike, and the soft punishment of length, are not part of it
 * source  Yu et al. 2025, arXiv:2503.14476, equation 8; TRL 1.16, `loss_type="dapo"`
 */
export const dapo = rolloutLoss({
  name: 'dapo',
  about: 'GRPO over all tokens of a step alike, with more room above the ratio of 1 than below.',
  formula: 'mean over all tokens of −min(ρA, clip(ρ)A), A the reward in the group’s standard deviations',
  needs: ['policy', 'reference'],
  params: {
    group: { about: 'completions of each prompt', default: 8, unit: 'completions', atLeast: 2, whole: true },
    epsilon: { about: 'how far below 1 the ratio counts', default: 0.2, unit: '', above: 0, below: 1 },
    epsilonHigh: { about: 'how far above 1 it counts', default: 0.28, unit: '', above: 0 },
  },
  source: 'Yu et al. 2025, arXiv:2503.14476, equation 8',
  over: 'tokens',

  advantages: standardised,
  perCompletion: (side, { epsilon, epsilonHigh }) =>
    overTokens(clippedGain(exp(side.tokenRatio), beside(side.advantage), epsilon, epsilonHigh), side).neg(),
  clipped: (side, { epsilon, epsilonHigh }) => outside(exp(side.tokenRatio), beside(side.advantage), epsilon, epsilonHigh),

  // Two completions whose rewards are 1 apart: A = ±0.5/(0.5·√2 + 1e-4). Ratios 1.5, clipped at 1.28, and 0.7 twice, clipped at 0.8.
  known: [
    {
      id: 'by hand',
      rewards: [1, 0],
      logps: [[Math.log(0.3)], [Math.log(0.35), Math.log(0.35)]],
      sampled: [[Math.log(0.2)], [Math.log(0.5), Math.log(0.5)]],
      losses: [(-1.28 * 0.5) / (Math.SQRT1_2 + 1e-4), (2 * 0.8 * 0.5) / (Math.SQRT1_2 + 1e-4)],
      slopes: [0, 0],
    },
  ],
})
