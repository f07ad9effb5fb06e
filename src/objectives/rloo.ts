import { rewardLoss } from './rewards.ts'

/**
 * REINFORCE with the leave-one-out baseline: −A·log π(y), with A what a completion's reward is above the mean of the others' of its prompt,
 * A = n/(n − 1)·(r − mean r). A pull to the reference is a term of a custom loss: `objective.add(kl.mul(0.05))`.
 *
 * shape   log-probabilities, rewards f32[completions] → f32[completions]; the trainer takes the mean
 * units   log-probabilities in nats, summed over tokens; A in units of the reward
 * limits  the gradient is that of the mean reward for completions that the policy has just sampled, not for others
 * source  Ahmadian et al. 2024, arXiv:2402.14740, equation 7; Williams 1992, Machine Learning 8:229
 */
export const rloo = rewardLoss({
  name: 'rloo',
  about: 'REINFORCE on groups of the policy’s own completions, each against the mean reward of the others.',
  formula: '−A·log π, A the reward above the mean of the others',
  needs: ['policy', 'reference'],
  params: {},
  source: 'Ahmadian et al. 2024, arXiv:2402.14740, equation 7',

  perCompletion: ({ logp, reward, others }) => logp.mul(others.sub(reward)),
  atReference: (_, { logp, reward, others }) => logp * (others - reward),

  known: [
    {
      id: 'V-PG-1',
      rewards: [1, 0, 0, 1, 1, 0, 0, 0],
      logps: [-1, -2, -3, -4, -5, -6, -7, -8],
      losses: [5 / 7, -6 / 7, -9 / 7, 20 / 7, 25 / 7, -18 / 7, -3, -24 / 7],
      slopes: [-5 / 7, 3 / 7, 3 / 7, -5 / 7, -5 / 7, 3 / 7, 3 / 7, 3 / 7],
    },
  ],
})
