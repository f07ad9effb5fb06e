import { rewardLoss } from './rewards.ts'

/**
 * Discounted reward for same-length trajectories: REINFORCE on meta-episodes, which are answers to one task. An answer's reward is its value over the
 * most that its length allows, times λ^(N − i/k) for the N answers of its length before it, averaged over all orders of the meta-episode; its
 * advantage is what it has above the mean of the others. Policies that do not care which length they have are where nothing pulls.
 *
 * shape   log-probabilities, rewards f32[completions] → f32[completions]; the trainer takes the mean
 * units   log-probabilities in nats, summed over tokens
 * limits  drawn, the mean of the others takes about one part in answers − 1 of the pull to neutrality away (all of it from two answers); `exact` has no such loss
 * source  arXiv:2407.00805, the DReST reward; arXiv:2604.17502, the average over orders; Ahmadian et al. 2024, arXiv:2402.14740, equation 7
 */
export const drest = rewardLoss({
  name: 'drest',
  about: 'As rloo, with the DReST reward of tasks: useful at every length, and no preference between lengths.',
  formula: '−A·log π, A as of rloo with the DReST reward',
  needs: ['policy', 'reference', 'tasks'],
  params: {
    lambda: {
      about: 'what a length is worth less each time that it was chosen before; 1 is no discount',
      default: 0.9,
      unit: '',
      above: 0,
      atMost: 1,
    },
    answers: { about: 'how many make a meta-episode', default: 32, unit: 'answers', atLeast: 3, whole: true },
    form: {
      about: 'a meta-episode is drawn, or its expectation over all of them is taken exactly',
      default: 'drawn',
      choices: ['drawn', 'exact'],
    },
  },
  source: 'Thornley et al. 2024, arXiv:2407.00805, the DReST reward; Cullen et al. 2026, arXiv:2604.17502',

  perCompletion: ({ logp, reward, others }) => logp.mul(others.sub(reward)),
  atReference: (_, { logp, reward, others }) => logp * (others - reward),

  // Four answers, one of the first length and three of the second, all as good as their length allows: V-DREST-AVG at G = 4.
  known: [
    {
      id: 'V-DREST-AVG',
      rewards: [1.0841044032, 0.9747924203, 0.9747924203, 0.9747924203],
      logps: [-1, -2, -3, -4],
      losses: [0.1093119829, -0.0728746552666667, -0.1093119829, -0.145749310533333],
      slopes: [-0.1093119829, 0.0364373276333333, 0.0364373276333333, 0.0364373276333333],
    },
  ],
})
