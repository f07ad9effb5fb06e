import { preferenceLoss } from './pairs.ts'
import { points } from './points.ts'

/**
 * Supervised fine-tuning on the better sides of pairs: −log π per token, the mean over all of their tokens in the batch. It is what mixtures and
 * remedies against displacement add to a loss of preferences.
 *
 * shape   log-probabilities f32[pairs] → f32[pairs], whose mean is the batch's
 * units   nats per token
 * source  the term of Pang et al. 2024, arXiv:2404.19733; the mean over tokens as huggingface/trl takes it
 */
export const sft = preferenceLoss({
  name: 'sft',
  about: 'The next tokens of the better sides, learned as text; the others are not looked at.',
  formula: 'NLL(chosen), the mean over all tokens of the batch',
  needs: ['policy', 'length'],
  params: {},
  source: 'Pang et al. 2024, arXiv:2404.19733',

  perPair: ({ chosen }) => chosen.nll,

  known: [
    { id: 'nats per token', at: points.A, loss: 2, slopes: { chosen: -1 / 6, rejected: 0 } },
    { id: 'nats per token', at: points.B, loss: 2 },
  ],
})
