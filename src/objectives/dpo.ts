import type { Value } from '../graph/index.ts'
import { divergenceScore, fDivergences } from './f-divergence.ts'
import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'
import type { Side } from './side.ts'
import { smoothedLogistic } from './sorted.ts'

/**
 * Direct Preference Optimization: −log σ(β·m), with the margin m = r(chosen) − r(rejected)
 * and the log-ratio r(y) = log π(y) − log π_ref(y), summed over the tokens of the completion.
 *
 * Its options are of r, of the vote, of the pair and of the reference, and go together in any way: `ldAlpha` weighs the tokens of the longer side
 * that the shorter one has no match for, `fDivergence` makes of r what another divergence would count, `labelSmoothing` is the rate of wrong votes
 * (conservative DPO), `weighting: 'wpo'` weighs a pair by how likely the policy is to say both sides, and `sync` lets the reference follow
 * (TR-DPO).
 *
 * shape   log-ratios f32[pairs] → f32[pairs]; the trainer takes the mean
 * units   log-ratios and m in nats, beta in 1/nat; beta·m is the log-odds of the observed choice
 * source  Rafailov et al. 2023, arXiv:2305.18290, equation 7; Mitchell 2023, on noisy preferences; Wang et al. 2023, arXiv:2309.16240;
 *         Liu et al. 2024 (LD-DPO), arXiv:2409.06411; Zhou et al. 2024 (WPO), arXiv:2406.11827; Gorbatovski et al. 2024 (TR-DPO), arXiv:2404.09656
 */
export const dpo = preferenceLoss({
  name: 'dpo',
  about: 'The negative log-likelihood of the choices, were β times the log-ratio a reward (Bradley–Terry).',
  formula: '−log σ(β·(s(chosen) − s(rejected))), s the score of the log-ratio; r itself without options',
  needs: ['policy', 'reference'],
  params: {
    beta: { about: 'pull to the reference: the larger, the less a margin needs to grow', default: 0.1, unit: '1/nat', above: 0 },
    labelSmoothing: { about: 'how often a vote is for the wrong side', default: 0, unit: 'share', atLeast: 0, atMost: 0.5 },
    fDivergence: { about: 'the divergence that holds the policy to the reference', default: 'reverseKl', choices: fDivergences },
    alpha: {
      about: 'with fDivergence alpha, which one; 1 is the reverse KL, 0 the forward',
      default: 0.5,
      unit: '',
      only: { param: 'fDivergence', is: 'alpha' },
    },
    ldAlpha: {
      about: 'what a token of the longer side counts beyond the shorter one’s length',
      default: 1,
      unit: 'share',
      atLeast: 0,
      atMost: 1,
    },
    weighting: { about: 'wpo: a pair counts by how likely the policy is to say both sides', default: 'none', choices: ['none', 'wpo'] },
    sync: {
      about: 'the reference becomes alpha of the policy and the rest of itself, every so many steps',
      default: 'none',
      unit: '',
      of: {
        every: { about: 'steps from one time to the next', default: 512, unit: 'steps', atLeast: 1, whole: true },
        alpha: { about: 'share of the policy', default: 0.6, unit: 'share', above: 0, atMost: 1 },
      },
    },
  },
  source: 'Rafailov et al. 2023, arXiv:2305.18290, equation 7',
  needsOf: ({ ldAlpha }) => ['policy', 'reference', ...(ldAlpha < 1 ? (['prefixes'] as const) : [])],
  marksOf: ({ weighting }) =>
    weighting === 'wpo' ? [{ as: 'stop', reason: 'WPO weighs a pair by a constant (Zhou et al. 2024, arXiv:2406.11827, equation 2)' }] : [],
  syncOf: ({ sync }) => (sync === 'none' ? undefined : sync),

  perPair({ chosen, rejected }, { beta, labelSmoothing, fDivergence, alpha, ldAlpha, weighting }) {
    const score = (side: Side): Value => divergenceScore(weighedByLength(side, ldAlpha), fDivergence, alpha)
    const losses = smoothedLogistic(score(chosen).sub(score(rejected)), beta, labelSmoothing)
    return weighting === 'wpo' ? losses.mul(chosen.onPolicy.mul(rejected.onPolicy)) : losses
  },
  atReference: ({ weighting }) => (weighting === 'wpo' ? undefined : Math.LN2),

  known: [
    { id: 'V-DPO-1', at: points.A, loss: 0.5981388694, slopes: { chosen: -0.0450166, rejected: 0.0450166 } },
    { id: 'V-DPO-1', at: points.B, loss: 0.7313501408, slopes: { chosen: -0.0518741216, rejected: 0.0518741216 } },
    { id: 'V-DPO-1', at: points.reference, loss: Math.LN2, slopes: { chosen: -0.05, rejected: 0.05 } },
    { id: 'V-CDPO-1', at: points.A, q: 0.9, loss: 0.6181388694, slopes: { chosen: -0.0350166, rejected: 0.0350166 } },
    { id: 'V-CDPO-1', at: points.B, q: 0.9, loss: 0.7238501408 },
    { id: 'V-CDPO-1', at: points.reference, q: 0.9, loss: Math.LN2 },
    {
      id: 'V-CDPO-1',
      at: points.A,
      params: { labelSmoothing: 0.1 },
      loss: 0.6181388694,
      slopes: { chosen: -0.0350166, rejected: 0.0350166 },
    },
    { id: 'V-CDPO-1', at: points.B, params: { labelSmoothing: 0.1 }, loss: 0.7238501408 },
    {
      id: 'V-FDPO-1',
      at: points.A,
      params: { fDivergence: 'forwardKl' },
      loss: 0.5825167135,
      slopes: { chosen: -0.01624221, rejected: 0.12001458 },
    },
    { id: 'V-FDPO-1', at: points.B, params: { fDivergence: 'forwardKl' }, loss: 0.7092764889 },
    {
      id: 'V-FDPO-2',
      at: points.A,
      params: { fDivergence: 'jensenShannon' },
      loss: 0.6443966601,
      slopes: { chosen: -0.01277528, rejected: 0.0347268 },
    },
    { id: 'V-FDPO-2', at: points.B, params: { fDivergence: 'jensenShannon' }, loss: 0.7043162615 },
    { id: 'V-FDPO-3', at: points.A, params: { fDivergence: 'alpha' }, loss: 0.594349123 },
    { id: 'V-FDPO-3', at: points.B, params: { fDivergence: 'alpha' }, loss: 0.7177976438 },
    { id: 'V-DPO-1', at: points.A, params: { fDivergence: 'alpha', alpha: 1 }, loss: 0.5981388694 },
  ],
})

/** The log-ratio, with tokens beyond the shorter side's length at a share. */
function weighedByLength(side: Side, ldAlpha: number): Value {
  return ldAlpha === 1 ? side.logRatio : side.logRatio.mul(ldAlpha).add(side.prefixRatio.mul(1 - ldAlpha))
}
