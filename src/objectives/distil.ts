import { logSumExp, reshape, softmax, sum } from '../graph/index.ts'
import { distillationLoss } from './distillation.ts'

/**
 * Distillation: Σ p_teacher · −log p over the whole vocabulary at each token, which says more a token than the one that was drawn, and with
 * less noise.
 *
 * shape   scores f32[tokens, vocabulary] → f32[tokens]; the trainer takes the mean
 * units   nats per token
 * source  Hinton, Vinyals & Dean 2015, arXiv:1503.02531, with the temperature on the teacher alone
 */
export const distil = distillationLoss({
  name: 'distil',
  about: 'The cross entropy of a teacher’s whole distribution over each next token.',
  formula: 'Σ p_teacher·(−log p) over the vocabulary',
  needs: ['policy', 'teacher'],
  params: {
    temperature: { about: 'of the teacher; below 1 the student learns to take fewer chances', default: 1, unit: '', above: 0 },
  },
  source: 'Hinton, Vinyals & Dean 2015, arXiv:1503.02531',

  perToken({ policy, teacher }, { temperature }) {
    const p = softmax(teacher.div(temperature))
    return reshape(logSumExp(policy).sub(sum(policy.mul(p), [-1])), [policy.shape[0]!])
  },

  known: [
    { id: 'V-KD-1', policy: [0, 0], teacher: [0, 0], loss: Math.LN2, slopes: [0, 0] },
    { id: 'V-KD-2', policy: [0, 0, 0], teacher: [Math.LN2, 0, 0], loss: Math.log(3), slopes: [1 / 3 - 1 / 2, 1 / 12, 1 / 12] },
    { id: 'V-KD-3', policy: [0, 0], teacher: [Math.log(3), 0], params: { temperature: 0.5 }, loss: Math.LN2, slopes: [-0.4, 0.4] },
  ],
})
