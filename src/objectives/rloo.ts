import { exp } from '../graph/index.ts'
import { beside, clippedGain, outside, overTokens } from './ratios.ts'
import { meansOfOthers } from './rewards.ts'
import { type RolloutSide, rolloutLoss } from './rollouts.ts'

/**
 * REINFORCE with the leave-one-out baseline: A is what a completion's reward is above the mean of the others' of its prompt, n/(n − 1)·(r − mean r). The
 * loss is −min(ρA, clip(ρ)A), with ρ the completion's probability over what it was when it was sampled; where that was not kept, ρ is 1, with the
 * slope of log π: so −A, with REINFORCE's gradient. With `beta` the reward is less β times the log-ratio to the reference when it was sampled.
 *
 * shape   log-probabilities, rewards f32[completions] → f32[completions]; the trainer takes the mean
 * units   log-probabilities in nats, summed over tokens; A in units of the reward
 * limits  the gradient is that of the mean reward for completions that the policy has sampled while it was within the clip
 * source  Ahmadian et al. 2024, arXiv:2402.14740, equation 7; Williams 1992, Machine Learning 8:229; TRL 1.16
 */
export const rloo = rolloutLoss({
  name: 'rloo',
  about: 'REINFORCE on groups of the policy’s own completions, each against the mean reward of the others.',
  formula: '−min(ρA, clip(ρ)A), A the reward above the mean of the others',
  needs: ['policy', 'reference'],
  params: {
    group: {
      about: 'completions of each prompt, where they are read from a file',
      default: 2,
      unit: 'completions',
      atLeast: 2,
      whole: true,
    },
    beta: { about: 'how much of the log-ratio to the reference is taken off the reward', default: 0, unit: '1/nat', atLeast: 0 },
    epsilon: { about: 'how far below 1 the ratio counts, and above', default: 0.2, unit: '', above: 0, below: 1 },
  },
  source: 'Ahmadian et al. 2024, arXiv:2402.14740, equation 7',
  over: 'completions',

  advantages({ rewards, sampled, reference }, { beta }) {
    const worth = beta > 0 && sampled ? rewards.map((reward, i) => reward - beta * (sampled[i]! - reference[i]!)) : rewards
    const others = meansOfOthers(worth)
    return worth.map((reward, i) => reward - others[i]!)
  },
  perCompletion: (side, { epsilon }) => clippedGain(ratioOf(side), side.advantage, epsilon, epsilon).neg(),
  clipped: (side, { epsilon }) => beside(outside(ratioOf(side), side.advantage, epsilon, epsilon)),

  known: [
    {
      id: 'V-PG-1',
      rewards: [1, 0, 0, 1, 1, 0, 0, 0],
      logps: [[-1], [-2], [-3], [-4], [-5], [-6], [-7], [-8]],
      sampled: [[-1], [-2], [-3], [-4], [-5], [-6], [-7], [-8]],
      losses: [-5 / 7, 3 / 7, 3 / 7, -5 / 7, -5 / 7, 3 / 7, 3 / 7, 3 / 7],
      slopes: [-5 / 7, 3 / 7, 3 / 7, -5 / 7, -5 / 7, 3 / 7, 3 / 7, 3 / 7],
    },
  ],
})

function ratioOf(side: RolloutSide) {
  return exp(overTokens(side.tokenRatio, side))
}
