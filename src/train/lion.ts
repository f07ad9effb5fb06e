import { constant, maximum, minimum, type Value } from '../graph/index.ts'
import { defineOptimizer } from './optimizer.ts'

/**
 * Lion: every parameter moves by lr, in the sign of a mix of the mean gradient and the newest one. It keeps one array beside each parameter
 * where AdamW keeps two, and wants a rate three to ten times smaller.
 *
 * units   lr in parameters per step; weightDecay per unit of lr
 * source  Chen et al. 2023, arXiv:2302.06675, algorithm 2
 */
export const lion = defineOptimizer({
  name: 'lion',
  about: 'Steps of one size, in the sign of the mean gradient.',
  source: 'Chen et al. 2023, arXiv:2302.06675, algorithm 2',
  params: {
    lr: { about: 'learning rate', default: 1e-5, unit: 'per step', above: 0 },
    beta1: { about: 'share of the mean gradient in the sign', default: 0.9, unit: '', atLeast: 0, below: 1 },
    beta2: { about: 'decay of the mean gradient', default: 0.99, unit: '', atLeast: 0, below: 1 },
    weightDecay: { about: 'decoupled decay of the parameters', default: 0, unit: 'per unit of lr', atLeast: 0 },
  },

  state: () => ['m'],
  update({ param, grad, m, lr }, { beta1, beta2, weightDecay }) {
    const direction = sign(m!.mul(beta1).add(grad!.mul(1 - beta1)))
    const kept = weightDecay === 0 ? param! : param!.mul(constant(1).sub(lr!.mul(weightDecay)))
    return { param: kept.sub(direction.mul(lr!)), m: m!.mul(beta2).add(grad!.mul(1 - beta2)) }
  },
})

/** The sign of every number that f32 holds with full precision, and 0 of 0: what the engine's update kernels can compute. */
function sign(x: Value): Value {
  return maximum(minimum(x.mul(3e38), 1), -1)
}
