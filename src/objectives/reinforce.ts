import { centred } from './groups.ts'
import { pulledGain } from './ratios.ts'
import { rolloutLoss } from './rollouts.ts'

/**
 * REINFORCE: −A·log π, with A the reward, less its group's mean unless told. The pull to the reference is β·½·(log-ratio)², whose slope on the policy's own
 * completions is that of β·KL(policy ‖ reference).
 *
 * shape   log-probabilities, rewards f32[completions] → f32[completions]; the trainer takes the mean
 * units   log-probabilities in nats, summed over tokens; A in units of the reward
 * limits  there is no ratio, so more than one step on a rollout is off; of n completions the group's mean takes 1/n of the reward's pull away
 * source  Williams 1992, Machine Learning 8:229; for language models Ahmadian et al. 2024, arXiv:2402.14740, section 2.2
 */
export const reinforce = rolloutLoss({
  name: 'reinforce',
  about: 'The plain policy gradient: a completion becomes likelier by how much its reward is above the mean.',
  formula: '−A·log π + β·½r², A the reward above the group’s mean',
  needs: ['policy', 'reference'],
  params: {
    group: { about: 'completions of each prompt', default: 4, unit: 'completions', atLeast: 2, whole: true },
    beta: { about: 'pull to the reference', default: 0, unit: '1/nat', atLeast: 0 },
    baseline: {
      about: 'what is taken off the reward: the mean of the group, or nothing (none)',
      default: 'mean',
      choices: ['mean', 'none'],
    },
  },
  source: 'Williams 1992, Machine Learning 8:229; Ahmadian et al. 2024, arXiv:2402.14740, section 2.2',
  over: 'completions',

  advantages: (group, { baseline }) => (baseline === 'mean' ? centred(group) : [...group.rewards]),
  perCompletion: (side, { beta }) => pulledGain(side, beta),

  // A = ±0.5; the pull of β = 0.1 at a log-ratio of 2 is 0.2 in loss and in slope.
  known: [
    { id: 'by hand', rewards: [1, 0], logps: [[-1], [-2]], sampled: [[-1], [-2]], losses: [0.5, -1], slopes: [-0.5, 0.5] },
    {
      id: 'by hand',
      rewards: [1, 0],
      logps: [[-1], [-2]],
      sampled: [[-1], [-2]],
      reference: [[-3], [-2]],
      params: { beta: 0.1, baseline: 'none' },
      losses: [1.2, 0],
      slopes: [-0.8, 0],
    },
  ],
})
