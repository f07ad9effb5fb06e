import { exp, minimum, step, stopGradient } from '../graph/index.ts'
import { standardised } from './groups.ts'
import { beside, overTokens } from './ratios.ts'
import { rolloutLoss } from './rollouts.ts'

/**
 * Clipped importance sampling: the ratio, at most so much, is a weight that no gradient goes through, so that every token keeps its slope.
 *
 * shape   log-probabilities f32[completions, T] → f32[completions]; the trainer takes the mean over tokens
 * units   A has none
 * source  MiniMax 2025, arXiv:2506.13585, equations 4 and 5; TRL 1.16, `loss_type="cispo"`
 */
export const cispo = rolloutLoss({
  name: 'cispo',
  about: 'REINFORCE on every token, weighed by its clipped ratio, as a constant.',
  formula: 'mean over all tokens of −stop(min(ρ, ε))·A·log π',
  needs: ['policy', 'reference'],
  params: {
    group: { about: 'completions of each prompt', default: 8, unit: 'completions', atLeast: 2, whole: true },
    epsilonHigh: { about: 'what a ratio is worth at most', default: 5, unit: '', above: 0 },
  },
  source: 'MiniMax 2025, arXiv:2506.13585',
  marks: [{ as: 'stop', reason: 'the clipped ratio is a weight by definition' }],
  over: 'tokens',

  advantages: standardised,
  perCompletion: (side, { epsilonHigh }) =>
    overTokens(
      stopGradient(minimum(exp(side.tokenRatio), epsilonHigh))
        .mul(beside(side.advantage))
        .mul(side.tokenLogps),
      side,
    ).neg(),
  clipped: (side, { epsilonHigh }) => step(exp(side.tokenRatio).sub(epsilonHigh)),

  // Ratios 2, which counts as 1.5, and 1.
  known: [
    {
      id: 'by hand',
      rewards: [1, 0],
      logps: [[Math.log(0.4)], [Math.log(0.5)]],
      sampled: [[Math.log(0.2)], [Math.log(0.5)]],
      params: { epsilonHigh: 1.5 },
      losses: [(-1.5 * Math.log(0.4) * 0.5) / (Math.SQRT1_2 + 1e-4), (Math.log(0.5) * 0.5) / (Math.SQRT1_2 + 1e-4)],
      slopes: [(-1.5 * 0.5) / (Math.SQRT1_2 + 1e-4), 0.5 / (Math.SQRT1_2 + 1e-4)],
    },
  ],
})
