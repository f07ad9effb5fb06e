import type { RewardedGroup } from './groups.ts'
import { pulledGain } from './ratios.ts'
import { rolloutLoss } from './rollouts.ts'

/**
 * Nash mirror descent: a completion becomes likelier by how much more often than half of the time it wins against completions of a mixture of policy and
 * reference, π^(1−m)·π_ref^m. It wins by the Bradley–Terry probability of the two rewards; the others of its group stand for the mixture, each weighed by
 * (π_ref/π)^m as it was sampled. The pull to the reference is β·½·(log-ratio)², with the slope of β·KL.
 *
 * shape   log-probabilities, rewards f32[completions] → f32[completions]; the trainer takes the mean
 * units   the reward in log-odds; log-ratios in nats
 * limits  weights of few completions are rough where m and the log-ratios are large; where the sampler's word was not kept they are alike, as at m = 0
 * source  Munos et al. 2023, arXiv:2312.00886, equation 8; TRL 1.16, `NashMDTrainer`, which mixes token by token
 */
export const nashMd = rolloutLoss({
  name: 'nashMd',
  about: 'Policy gradient on how often a completion wins against a mixture of policy and reference.',
  formula: '−(P(wins) − ½)·log π + β·½r²',
  needs: ['policy', 'reference'],
  params: {
    group: { about: 'completions of each prompt', default: 4, unit: 'completions', atLeast: 2, whole: true },
    beta: { about: 'pull to the reference', default: 0.1, unit: '1/nat', atLeast: 0 },
    mixture: { about: 'how much of the reference is in what completions play against, m', default: 0.5, unit: '', atLeast: 0, atMost: 1 },
  },
  source: 'Munos et al. 2023, arXiv:2312.00886',
  over: 'completions',

  advantages(group, { mixture }) {
    return group.rewards.map((reward, i) => {
      const others = opponents(group, i, mixture)
      const total = others.reduce((sum, { weight }) => sum + weight, 0)
      return others.reduce((sum, other) => sum + (other.weight / total) * winning(reward, other.reward), 0) - 0.5
    })
  },
  perCompletion: (side, { beta }) => pulledGain(side, beta),

  // The one with the higher reward, by log 3, wins three times of four.
  known: [
    {
      id: 'by hand',
      rewards: [Math.log(3), 0],
      logps: [[-1], [-2]],
      sampled: [[-1], [-2]],
      losses: [0.25, -0.5],
      slopes: [-0.25, 0.25],
    },
    // Of its opponents one is e² times as likely by the reference: at m = 0.5 it weighs e times as much.
    {
      id: 'by hand',
      rewards: [0, Math.log(3), 0],
      logps: [[-1], [-3], [-1]],
      sampled: [[-1], [-3], [-1]],
      reference: [[-1], [-1], [-1]],
      params: { beta: 0 },
      losses: [(0.25 * Math.E) / (1 + Math.E) + 0.5 / (1 + Math.E) - 0.5, 0.75, (0.25 * Math.E) / (1 + Math.E) + 0.5 / (1 + Math.E) - 0.5],
    },
  ],
})

function opponents({ rewards, sampled, reference }: RewardedGroup, i: number, mixture: number) {
  const ratio = (k: number) => (sampled && mixture > 0 ? mixture * (reference[k]! - sampled[k]!) : 0)
  const most = Math.max(...rewards.flatMap((_, k) => (k === i ? [] : [ratio(k)])))
  return rewards.flatMap((reward, k) => (k === i ? [] : [{ reward, weight: Math.exp(ratio(k) - most) }]))
}

function winning(reward: number, other: number): number {
  return 1 / (1 + Math.exp(other - reward))
}
