import { sigmoid } from '../graph/index.ts'
import { labelledLoss } from './labelled.ts'
import { points } from './points.ts'

/**
 * Kahneman–Tversky Optimization, for completions that are each labelled good or bad, with no pairs: λ · (1 − σ(±β(r − z0))), with + for
 * a desirable and − for an undesirable completion, and r its log-ratio summed over tokens.
 *
 * z0 is the batch mean of the log-ratios of mismatched prompts and completions, clamped at 0 from below: an estimate of how far the
 * policy has moved at all, and 0 where a batch has none (`mismatched`). It is a constant to the gradient, and it is of the whole batch,
 * whatever the accumulation: the trainer computes it before the step and feeds it. A label between 0 and 1 is a probability: the loss is
 * the expectation over it.
 *
 * shape   log-ratios, labels f32[examples], z0 f32[] → f32[examples]; the trainer takes the mean
 * units   r and z0 in nats, beta in 1/nat
 * source  Ethayarajh et al. 2024, arXiv:2402.01306, equation 8
 */
export const kto = labelledLoss({
  name: 'kto',
  about: 'The value, to a loss-averse judge, of each labelled completion against the policy’s mean drift z0.',
  formula: 'λ·(1 − σ(±β(r − z0))), z0 the drift of the batch',
  needs: ['policy', 'reference'],
  params: {
    beta: { about: 'how fast gains and losses saturate', default: 0.1, unit: '1/nat', above: 0 },
    desirableWeight: { about: 'λ of desirable completions', default: 1, unit: '', above: 0 },
    undesirableWeight: { about: 'λ of undesirable completions', default: 1, unit: '', above: 0 },
  },
  source: 'Ethayarajh et al. 2024, arXiv:2402.01306, equation 8',

  perExample({ logRatio, label }, z0, { beta, desirableWeight, undesirableWeight }) {
    const gain = logRatio.sub(z0).mul(beta)
    const desirable = sigmoid(gain.neg()).mul(desirableWeight)
    const undesirable = sigmoid(gain).mul(undesirableWeight)
    return desirable.mul(label).add(undesirable.mul(label.neg().add(1)))
  },
  atReference: ({ beta, desirableWeight, undesirableWeight }, label, z0) =>
    (label * desirableWeight) / (1 + Math.exp(-beta * z0)) + ((1 - label) * undesirableWeight) / (1 + Math.exp(beta * z0)),

  known: [
    { id: 'V-KTO-1', at: points.A.chosen, label: 1, z0: 0.5, loss: 0.4875026035, slope: -0.02498438 },
    { id: 'V-KTO-1', at: points.B.chosen, label: 1, z0: 0.5, loss: 0.5 },
    { id: 'V-KTO-1', at: points.reference.chosen, label: 1, z0: 0, loss: 0.5 },
    { id: 'V-KTO-1', at: points.reference.chosen, label: 1, z0: 0.5, loss: 0.5124973965 },
    { id: 'V-KTO-2', at: points.A.rejected, label: 0, z0: 0.5, loss: 0.4625701547, slope: 0.0248599 },
    { id: 'V-KTO-2', at: points.B.rejected, label: 0, z0: 0.5, loss: 0.5187412159 },
    { id: 'V-KTO-2', at: points.reference.rejected, label: 0, z0: 0, loss: 0.5 },
    { id: 'V-KTO-2', at: points.reference.rejected, label: 0, z0: 0.5, loss: 0.4875026035 },
  ],
})
