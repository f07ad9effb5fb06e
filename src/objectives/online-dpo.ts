import { logSigmoid, type Value } from '../graph/index.ts'
import { centred, type RewardedGroup } from './groups.ts'
import type { Match } from './matches.ts'
import { type RolloutSide, rolloutLoss } from './rollouts.ts'

/**
 * DPO on pairs that the policy has just sampled: of each group the completion with the highest reward against that with the lowest. With soft labels the
 * pair counts by the Bradley–Terry probability of its rewards, so that the optimum is the posterior π_ref·exp(reward/β)/Z and not an endless margin.
 *
 * shape   log-ratios f32[completions] → f32[completions]; the trainer takes the mean over groups
 * units   log-ratios in nats; with soft labels the reward in log-odds
 * limits  a group whose rewards are alike gives nothing with hard labels
 * source  Guo et al. 2024, arXiv:2402.04792, equation 1; TRL 1.16, `OnlineDPOTrainer`, which takes two
 */
export const onlineDpo = rolloutLoss({
  name: 'onlineDpo',
  about: 'DPO on the best and the worst of each group of the policy’s own completions.',
  formula: '−log σ(β·(r(best) − r(worst)))',
  needs: ['policy', 'reference'],
  params: {
    beta: { about: 'how little the policy may move from the reference', default: 0.1, unit: '1/nat', above: 0 },
    group: { about: 'completions of each prompt', default: 2, unit: 'completions', atLeast: 2, whole: true },
    labels: {
      about: 'the higher reward wins (hard), or by its Bradley–Terry probability (soft)',
      default: 'hard',
      choices: ['hard', 'soft'],
    },
  },
  source: 'Guo et al. 2024, arXiv:2402.04792',
  over: 'groups',

  advantages: centred,
  matches: (group, { labels }) => extremes(group, labels === 'soft'),
  perCompletion: (side, { beta }) => matchLoss(side, beta),

  // β·margin is 0.2 at a margin of 2: V-DPO-1, point A.
  known: [
    {
      id: 'V-DPO-1',
      rewards: [1, 0],
      logps: [[-12], [-15]],
      sampled: [[-12], [-15]],
      reference: [[-13], [-14]],
      losses: [0.5981388694, 0],
      slopes: [-0.0450166, 0.0450166],
    },
  ],
})

/** −[q·log σ(βD) + (1 − q)·log σ(−βD)] where a completion is held against another, by what the two count. */
export function matchLoss({ logRatio, against, share, better }: RolloutSide, beta: number): Value {
  const margin = logRatio.sub(against).mul(beta)
  const worse = better.neg().add(1)
  return better
    .mul(logSigmoid(margin))
    .add(worse.mul(logSigmoid(margin.neg())))
    .mul(share)
    .neg()
}

/** The best of a group against its worst; nothing where all are alike, unless labels are soft. */
function extremes({ rewards }: RewardedGroup, soft: boolean): Match[] {
  const [high, low] = [Math.max(...rewards), Math.min(...rewards)]
  const best = rewards.indexOf(high)
  const worst = high === low ? (best + 1) % rewards.length : rewards.indexOf(low)
  const count = soft || high > low ? 1 : 0
  const label = soft ? 1 / (1 + Math.exp(low - high)) : 1
  return rewards.map((_, k) => ({ against: k === best ? worst : k, share: k === best ? count : 0, label }))
}
