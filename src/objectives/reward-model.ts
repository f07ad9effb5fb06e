import { logSigmoid } from '../graph/index.ts'
import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'
import { scoredPairs } from './scored-pairs.ts'

/**
 * A reward model of Bradley and Terry: −log σ(r(chosen) − r(rejected) − margin), with r the score of a head at the end of each completion.
 * A row may have a margin of its own, which is added. Only differences of scores within a prompt are learned; `center` pulls their sum to 0, which fixes where the scale begins.
 *
 * shape   scores f32[pairs] → f32[pairs]; the trainer takes the mean
 * units   scores in log-odds: their difference is the log-odds of the observed choice
 * source  Bradley & Terry 1952; Ouyang et al. 2022, arXiv:2203.02155, equation 1; centring: Eisenstein et al. 2023, arXiv:2312.09244
 */
export const rewardModel = preferenceLoss({
  name: 'rewardModel',
  about: 'A head scores completions; the difference of two scores is the log-odds of the vote.',
  formula: '−log σ(r − r′ − margin) + center·(r + r′)²',
  needs: ['policy'],
  params: {
    margin: { about: 'how far the better side must be ahead, and as far again as a row says', default: 0, unit: '', atLeast: 0 },
    bootstrap: { about: 'pairs: training pairs are drawn with replacement, by train.seed', default: 'none', choices: ['none', 'pairs'] },
    center: { about: 'pull of the sum of both scores to 0', default: 0, unit: '', atLeast: 0 },
    posterior: {
      about: 'of what the doubt is kept: the whole network, or its head alone',
      default: 'network',
      choices: ['network', 'head'],
    },
  },
  kindOf: () => scoredPairs,

  perPair({ chosen, rejected, margin: ofRow }, { margin, center }) {
    const difference = chosen.logp.sub(rejected.logp).sub(margin)
    const ahead = ofRow ? difference.sub(ofRow) : difference
    const loss = logSigmoid(ahead).neg()
    if (center === 0) return loss
    const both = chosen.logp.add(rejected.logp)
    return loss.add(both.mul(both).mul(center))
  },
  source: 'Ouyang et al. 2022, arXiv:2203.02155, equation 1',

  known: [
    { id: 'V-BT-1', at: points.scored, loss: 0.3411538747, slopes: { chosen: -0.2890504974, rejected: 0.2890504974 } },
    { id: 'V-BT-1', at: points.scored, params: { margin: 0.5 }, loss: 0.5130152524 },
    { id: 'V-BT-1', at: points.scored, params: { center: 0.01 }, loss: 0.3636538747 },
  ],
})
