import { rolloutLoss } from './rollouts.ts'

/**
 * Reward-ranked fine-tuning: of each group the completions with the highest rewards are learned as text, minus log π per token. Where rewards tie the first
 * ones are taken; a group whose rewards are all alike teaches nothing.
 *
 * shape   log-probabilities f32[completions] → f32[completions]; the trainer takes the mean over groups
 * units   nats per token
 * source  Dong et al. 2023, arXiv:2304.06767, section 3
 */
export const raft = rolloutLoss({
  name: 'raft',
  about: 'The best completions of each group are learned as text.',
  formula: 'NLL of the best',
  needs: ['policy', 'reference'],
  params: {
    group: { about: 'completions of each prompt', default: 8, unit: 'completions', atLeast: 2, whole: true },
    keep: { about: 'how many of them are learned', default: 1, unit: 'completions', atLeast: 1, whole: true },
  },
  source: 'Dong et al. 2023, arXiv:2304.06767',
  over: 'groups',

  advantages({ rewards }, { keep }) {
    if (rewards.every((reward) => reward === rewards[0])) return rewards.map(() => 0)
    const best = rewards
      .map((_, k) => k)
      .sort((a, b) => rewards[b]! - rewards[a]! || a - b)
      .slice(0, keep)
    return rewards.map((_, k) => (best.includes(k) ? 1 / best.length : 0))
  },
  perCompletion: ({ advantage, logp, length }) => advantage.mul(logp).div(length).neg(),

  known: [
    {
      id: 'by hand',
      rewards: [0, 2, 1],
      logps: [[-1], [-2, -2], [-3]],
      sampled: [[-1], [-2, -2], [-3]],
      losses: [0, 2, 0],
      slopes: [0, -0.5, 0],
    },
  ],
})
