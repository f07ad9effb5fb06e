import { rolloutLoss } from './rollouts.ts'

/**
 * Best-of-n distillation: the policy learns to say at once what the best of n completions of the reference would be. That is π_ref times the reward
 * log((F^n − G^n)/(F − G)), with F and G the shares of the reference's completions that have at most this reward, and less; so the reward under a pull to the
 * reference of 1. Half of a group are the reference's completions, which F and G are counted on, with the completion itself.
 *
 * shape   log-probabilities, rewards f32[completions] → f32[completions]; the trainer takes the mean over groups
 * units   nats; only the order of the rewards counts
 * limits  from m completions F is 1/(m + 1) or more, so an n far above m says little more than m
 * source  Sessa et al. 2024, arXiv:2407.14622 (BOND), theorem 1; Amini et al. 2024, arXiv:2407.06057 (vBoN)
 */
export const bestOfN = rolloutLoss({
  name: 'bestOfN',
  about: 'The policy gradient toward the best of n completions of the reference, said at once.',
  formula: '−A·log π + ½r², A the log of how often the best of n is this one, over how often it is said',
  needs: ['policy', 'reference'],
  params: {
    group: { about: 'completions of each prompt, half of them the reference’s', default: 8, unit: 'completions', atLeast: 2, whole: true },
    n: { about: 'of how many completions the best is learned', default: 4, unit: 'completions', atLeast: 1, whole: true },
  },
  source: 'Sessa et al. 2024, arXiv:2407.14622, theorem 1',
  over: 'groups',
  byReference: (completions) => Math.floor(completions / 2),

  advantages({ rewards, own = rewards.length }, { n }) {
    const others = rewards.slice(own)
    const gains = rewards.slice(0, own).map((reward) => {
      const share = (count: number) => count / (others.length + 1)
      return bestOfNGain(
        share(1 + others.filter((other) => other <= reward).length),
        share(others.filter((other) => other < reward).length),
        n,
      )
    })
    const mean = gains.reduce((a, b) => a + b, 0) / own
    return [...gains.map((gain) => gain - mean), ...others.map(() => 0)]
  },
  matches: ({ rewards, own = rewards.length }) => rewards.map((_, k) => ({ against: k, share: k < own ? 1 / own : 0, label: 1 })),
  perCompletion: ({ advantage, logp, logRatio, share }) => logRatio.mul(logRatio).mul(0.5).sub(advantage.mul(logp)).mul(share),

  // Two of the policy's and two of the reference's, with rewards 1 and 0. Of the best of two F + G is 1 + ⅓ at 1, and ⅔ at 0: A is ± half of log 2.
  known: [
    {
      id: 'by hand',
      rewards: [1, 0, 1, 0],
      logps: [[-1], [-2], [-1], [-1]],
      sampled: [[-1], [-2], [-1], [-1]],
      params: { n: 2 },
      losses: [Math.LN2 / 4, -Math.LN2 / 2, 0, 0],
      slopes: [-Math.LN2 / 4, Math.LN2 / 4, 0, 0],
    },
  ],
})

/** log((F^n − G^n)/(F − G)): how much likelier a completion is as the best of n than by itself. */
export function bestOfNGain(atMost: number, less: number, n: number): number {
  const terms = Array.from({ length: n }, (_, i) => atMost ** (n - 1 - i) * less ** i)
  return Math.log(terms.reduce((a, b) => a + b, 0))
}
