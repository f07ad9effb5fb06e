import { exp } from '../graph/index.ts'
import { standardised } from './groups.ts'
import { beside, clippedGain, outside, overTokens, tokenKl } from './ratios.ts'
import { rolloutLoss } from './rollouts.ts'

/**
 * Group relative policy optimisation: −min(ρA, clip(ρ)A) + β·k3 of each token, the mean over a completion's tokens, then over completions; ρ is a token's
 * probability over what it was when it was sampled, A = (r − mean r)/(sd r + 1e-4) over the group.
 *
 * shape   log-probabilities f32[completions, T] → f32[completions]; the trainer takes the mean
 * units   A has none; KL in nats per token
 * limits  a group whose rewards are alike gives no gradient but the KL's; k3 has another optimum than the posterior (Tang and Munos 2025, arXiv:2506.09477); dividing by each completion's length favours long wrong ones
 * source  Shao et al. 2024, arXiv:2402.03300, equation 3; TRL 1.16, `loss_type="grpo"`
 */
export const grpo = rolloutLoss({
  name: 'grpo',
  about: 'Clipped policy gradient on groups of sampled completions, each against its group’s mean, in its standard deviations.',
  formula: 'mean over tokens of −min(ρA, clip(ρ)A) + β·k3, A the reward in the group’s standard deviations',
  needs: ['policy', 'reference'],
  needsOf: ({ beta }) => ['policy', 'reference', ...(beta > 0 ? (['referenceTokens'] as const) : [])],
  params: {
    group: { about: 'completions of each prompt', default: 8, unit: 'completions', atLeast: 2, whole: true },
    beta: { about: 'pull to the reference, per token', default: 0, unit: '1/nat', atLeast: 0 },
    kl: {
      about:
        'how that pull is taken: k3, as the paper does, whose slope is that of KL(reference ‖ policy), or k2, that of KL(policy ‖ reference)',
      default: 'k3',
      choices: ['k3', 'k2'],
    },
    epsilon: { about: 'how far below 1 the ratio counts, and above', default: 0.2, unit: '', above: 0, below: 1 },
    epsilonHigh: { about: 'how far above 1 instead; 0 is as far as below', default: 0, unit: '', atLeast: 0 },
  },
  source: 'Shao et al. 2024, arXiv:2402.03300, equation 3',
  over: 'completions',

  advantages: standardised,
  perCompletion(side, { beta, epsilon, epsilonHigh, kl }) {
    const gain = clippedGain(exp(side.tokenRatio), beside(side.advantage), epsilon, epsilonHigh || epsilon)
    const loss = beta > 0 ? tokenKl(side, kl).mul(beta).sub(gain) : gain.neg()
    return overTokens(loss, side).div(side.length)
  },
  clipped: (side, { epsilon, epsilonHigh }) => outside(exp(side.tokenRatio), beside(side.advantage), epsilon, epsilonHigh || epsilon),

  // V-PG-1: two of the rewarded three and two others, by hand; the ratios are 1, so the losses are −A.
  known: [
    {
      id: 'V-PG-1',
      rewards: [1, 0, 0, 1, 1, 0, 0, 0],
      logps: [[-1], [-2], [-3], [-4], [-5], [-6], [-7], [-8]],
      sampled: [[-1], [-2], [-3], [-4], [-5], [-6], [-7], [-8]],
      losses: [1, 0, 0, 1, 1, 0, 0, 0].map((reward) => (reward ? -1.207381 : 0.724429)),
      slopes: [1, 0, 0, 1, 1, 0, 0, 0].map((reward) => (reward ? -1.207381 : 0.724429)),
    },
  ],
})
