import { exp } from '../graph/index.ts'
import { gae } from './gae.ts'
import type { RewardedGroup } from './groups.ts'
import { clippedGain, outside, overTokens } from './ratios.ts'
import { rolloutLoss } from './rollouts.ts'

/**
 * Proximal policy optimisation on tokens: −min(ρA, clip(ρ)A), with A by generalised advantage estimation from a critic's values. A token's reward is
 * −β·(log π − log π_ref) as it was sampled, and the last one's is the completion's reward besides.
 *
 * shape   log-probabilities f32[completions, T] → f32[completions]; the trainer takes the mean over tokens
 * units   A in units of the reward
 * limits  without values, as in a file of rollouts that has none, A is the discounted return; advantages are not whitened
 * source  Schulman et al. 2017, arXiv:1707.06347, equations 7 and 11; Ouyang et al. 2022, arXiv:2203.02155, section 3.5
 */
export const ppo = rolloutLoss({
  name: 'ppo',
  about: 'Clipped policy gradient on tokens, each against what a critic expected from it on.',
  formula: 'mean over all tokens of −min(ρA, clip(ρ)A), A by GAE from the critic’s values',
  needs: ['policy', 'reference', 'values'],
  needsOf: ({ beta }) => ['policy', 'reference', 'values', ...(beta > 0 ? (['referenceTokens'] as const) : [])],
  params: {
    group: { about: 'completions of each prompt', default: 4, unit: 'completions', atLeast: 2, whole: true },
    beta: {
      about: 'how much of each token’s log-ratio to the reference is taken off the reward',
      default: 0.05,
      unit: '1/nat',
      atLeast: 0,
    },
    epsilon: { about: 'how far below 1 the ratio counts, and above', default: 0.2, unit: '', above: 0, below: 1 },
    gamma: { about: 'what a reward is worth one token earlier', default: 1, unit: '', above: 0, atMost: 1 },
    lambda: {
      about: 'how far the critic is believed less than what came: 1 is not at all',
      default: 0.95,
      unit: '',
      atLeast: 0,
      atMost: 1,
    },
  },
  source: 'Schulman et al. 2017, arXiv:1707.06347',
  over: 'tokens',

  advantages: (group, params) =>
    ppoTargets(group, params).map(({ advantages }) => advantages.reduce((a, b) => a + b, 0) / advantages.length),
  tokenAdvantages: (group, params) => ppoTargets(group, params).map(({ advantages }) => advantages),
  perCompletion: (side, { epsilon }) => overTokens(clippedGain(exp(side.tokenRatio), side.tokenAdvantage, epsilon, epsilon), side).neg(),
  clipped: (side, { epsilon }) => outside(exp(side.tokenRatio), side.tokenAdvantage, epsilon, epsilon),

  // Rewards (0, 1) and (0, 0), no values: A is 0.95 and 1 where the reward is 1.
  known: [
    {
      id: 'by hand',
      rewards: [1, 0],
      logps: [
        [-1, -1],
        [-1, -1],
      ],
      sampled: [
        [-1, -1],
        [-1, -1],
      ],
      params: { beta: 0 },
      losses: [-1.95, 0],
      slopes: [-0.95, 0],
    },
  ],
})

/** What decides the targets of a group. */
export interface PpoSettings {
  readonly beta: number
  readonly gamma: number
  readonly lambda: number
}

/** Advantages and returns of every token of a group; the returns are what a critic is fitted to. */
export function ppoTargets({ rewards, tokens }: Pick<RewardedGroup, 'rewards' | 'tokens'>, { beta, gamma, lambda }: PpoSettings) {
  return rewards.map((reward, k) => {
    const length = tokens?.lengths[k] ?? 1
    const [sampled, reference] = [tokens?.sampled?.[k], tokens?.reference?.[k]]
    const pull = (t: number) => (beta > 0 && sampled && reference ? beta * (sampled[t]! - reference[t]!) : 0)
    const perToken = Array.from({ length }, (_, t) => (t === length - 1 ? reward : 0) - pull(t))
    return gae(perToken, tokens?.values?.[k] ?? perToken.map(() => 0), { gamma, lambda })
  })
}
