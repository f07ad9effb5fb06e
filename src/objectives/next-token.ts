import { tokenLoss } from './tokens.ts'

/**
 * The negative log-likelihood of the next token, averaged over all tokens of the step however long their texts are: what pretraining
 * lowers on whole texts, and supervised fine-tuning on completions.
 *
 * shape   log-probabilities f32[tokens] → f32[tokens]; the trainer takes the mean
 * units   nats per token
 * source  Bengio et al. 2003, JMLR 3:1137; on completions alone: Ouyang et al. 2022, arXiv:2203.02155, section 3.5
 */
export const nextToken = tokenLoss({
  name: 'nextToken',
  about: 'The negative log-likelihood of each token after those before it: pretraining, and supervised fine-tuning.',
  formula: '−log π(token)',
  needs: ['policy'],
  params: {},
  source: 'Bengio et al. 2003, JMLR 3:1137; on completions alone: Ouyang et al. 2022, arXiv:2203.02155, section 3.5',

  perToken: (logp) => logp.neg(),

  known: [
    { id: 'V-NLL-1', logps: [0], loss: 0, slopes: [-1] },
    { id: 'V-NLL-2', logps: [-Math.LN2, -Math.LN2], loss: Math.LN2, slopes: [-0.5, -0.5] },
    { id: 'V-NLL-3', logps: [Math.log(0.5), Math.log(0.25), Math.log(0.125)], loss: 2 * Math.LN2, slopes: [-1 / 3, -1 / 3, -1 / 3] },
  ],
})
