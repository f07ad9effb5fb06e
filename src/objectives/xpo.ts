import { centred } from './groups.ts'
import { matchLoss } from './online-dpo.ts'
import { rolloutLoss } from './rollouts.ts'

/**
 * Exploratory preference optimisation: half of a group are the policy's completions, half the reference's, matched one by one. DPO on the two, the one with the
 * higher reward chosen, and α·log π of the reference's, which makes what the reference says less likely, so that the policy looks elsewhere.
 *
 * shape   log-ratios f32[completions] → f32[completions]; the trainer takes the mean over groups
 * units   log-ratios in nats; with soft labels the reward in log-odds
 * limits  at α above 0 the optimum is not the posterior of the reward, on purpose
 * source  Xie et al. 2024, arXiv:2405.21046, algorithm 1; TRL 1.16, `XPOTrainer`
 */
export const xpo = rolloutLoss({
  name: 'xpo',
  about: 'Online DPO of the policy’s completions against the reference’s, with a bonus for saying what the reference does not.',
  formula: '−log σ(β·m) + α·log π(the reference’s)',
  needs: ['policy', 'reference'],
  params: {
    beta: { about: 'how little the policy may move from the reference', default: 0.1, unit: '1/nat', above: 0 },
    group: { about: 'completions of each prompt, half of them the reference’s', default: 2, unit: 'completions', atLeast: 2, whole: true },
    alpha: { about: 'how much the policy is kept from what the reference says', default: 1e-5, unit: '1/nat', atLeast: 0 },
    labels: {
      about: 'the higher reward wins (hard), or by its Bradley–Terry probability (soft)',
      default: 'hard',
      choices: ['hard', 'soft'],
    },
  },
  source: 'Xie et al. 2024, arXiv:2405.21046',
  over: 'groups',
  byReference: (completions) => Math.floor(completions / 2),

  advantages: centred,
  matches({ rewards, own = rewards.length }, { labels }) {
    const pairs = rewards.length - own
    return rewards.map((reward, k) => {
      if (k >= pairs) return { against: k, share: 0, label: 1 }
      const other = rewards[own + k]!
      const label = labels === 'soft' ? 1 / (1 + Math.exp(other - reward)) : reward === other ? 0.5 : reward > other ? 1 : 0
      return { against: own + k, share: 1 / pairs, label }
    })
  },
  perCompletion(side, { beta, alpha }) {
    const loss = matchLoss(side, beta)
    // The log-probability of the one it is held against is its log-ratio and a constant.
    return alpha > 0 ? loss.add(side.against.mul(side.share).mul(alpha)) : loss
  },

  // V-DPO-1, point A, with 0.01 of the reference's completion, whose log-ratio is −1.
  known: [
    {
      id: 'V-DPO-1',
      rewards: [1, 0],
      logps: [[-12], [-15]],
      sampled: [[-12], [-15]],
      reference: [[-13], [-14]],
      params: { alpha: 0.01 },
      losses: [0.5981388694 - 0.01, 0],
      slopes: [-0.0450166, 0.0550166],
    },
  ],
})
