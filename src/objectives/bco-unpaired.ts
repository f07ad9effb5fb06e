import { logSigmoid } from '../graph/index.ts'
import { labelled, labelledLoss } from './labelled.ts'
import type { Kind } from './objective.ts'
import { points } from './points.ts'

/** Labelled completions, whose log-ratios are compared with their mean over the run so far, this step included. */
export const shifted: Kind = {
  ...labelled,
  name: 'shifted',
  asks: (examples) => examples.map(({ tree }) => tree),
  carry([count = 0, mean = 0], asked) {
    const all = count + asked.length
    return [all, mean + (asked.reduce((total, r) => total + r, 0) - asked.length * mean) / all]
  },
  given: (examples, size, _, step) => labelled.given(examples, size, [step.carried[1] ?? 0], step),
  metrics: (examples, logps, _, carried = []) => labelled.metrics(examples, logps, carried.length > 0 ? [carried[1]!] : []),
  toJSON: () => 'shifted',
}

/**
 * Binary classifier optimization of single completions: −log σ(±(βr − δ)), + for a desirable one, with r its log-ratio and δ = β times the
 * running mean of all log-ratios so far, this step's among them: a constant to the gradient. The mean is carried from step to step, and kept in
 * checkpoints.
 *
 * shape   log-ratios, labels f32[examples] → f32[examples]; the trainer takes the mean
 * units   r in nats, beta in 1/nat
 * source  Jung et al. 2024, arXiv:2404.04656, equations 9 and 11
 */
export const bcoUnpaired = labelledLoss({
  name: 'bcoUnpaired',
  about: 'A classifier of single completions: the log-ratio, shifted by its running mean, is its logit.',
  formula: '−log σ(±β(r − r̄)), r̄ the running mean of r',
  needs: ['policy', 'reference'],
  params: { beta: { about: 'how fast a gain saturates', default: 0.1, unit: '1/nat', above: 0 } },
  source: 'Jung et al. 2024, arXiv:2404.04656, equations 9 and 11',
  kind: shifted,

  perExample({ logRatio, label }, mean, { beta }) {
    const gain = logRatio.sub(mean).mul(beta)
    const [desirable, undesirable] = [logSigmoid(gain).neg(), logSigmoid(gain.neg()).neg()]
    return desirable.mul(label).add(undesirable.mul(label.neg().add(1)))
  },
  atReference({ beta }, label, mean) {
    const [desirable, undesirable] = [Math.log1p(Math.exp(beta * mean)), Math.log1p(Math.exp(-beta * mean))]
    return label * desirable + (1 - label) * undesirable
  },

  // V-BCO-2 is the sum of a desirable and an undesirable completion; at B the mean log-ratio is 0.875.
  known: [
    { id: 'V-BCO-2', at: points.A.chosen, label: 1, z0: 0, loss: 1.2887933201 / 2, slope: -0.04750208 },
    { id: 'V-BCO-2', at: points.A.rejected, label: 0, z0: 0, loss: 1.2887933201 / 2, slope: 0.04750208 },
    { id: 'V-BCO-2', at: points.B.chosen, label: 1, z0: 0.875, loss: Math.log1p(Math.exp(0.0375)) },
    { id: 'V-BCO-2', at: points.B.rejected, label: 0, z0: 0.875, loss: 1.424145903 - Math.log1p(Math.exp(0.0375)) },
    { id: 'V-BCO-2', at: points.reference.chosen, label: 1, z0: 0, loss: Math.LN2 },
  ],
})
