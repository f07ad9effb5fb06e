import { constant, sqrt } from '../graph/index.ts'
import { defineOptimizer } from './optimizer.ts'

/**
 * Adam with decoupled weight decay.
 *
 * units   lr per step; eps in units of the gradient; weightDecay per unit of lr
 * source  Loshchilov & Hutter 2019, arXiv:1711.05101, with PyTorch's order of operations
 */
export const adamw = defineOptimizer({
  name: 'adamw',
  about: 'Each step as large as the mean gradient is beside its root mean square; the decay of parameters is apart from it.',
  source: 'Loshchilov & Hutter 2019, arXiv:1711.05101',
  params: {
    lr: { about: 'learning rate', default: 5e-5, unit: 'per step', above: 0 },
    beta1: { about: 'decay of the mean gradient', default: 0.9, unit: '', atLeast: 0, below: 1 },
    beta2: { about: 'decay of the mean squared gradient', default: 0.999, unit: '', atLeast: 0, below: 1 },
    eps: { about: 'added to the root of the latter', default: 1e-8, unit: 'gradient', above: 0 },
    weightDecay: { about: 'decoupled decay of the parameters', default: 0, unit: 'per unit of lr', atLeast: 0 },
  },

  state: () => ['m', 'v'],
  update({ param, grad, m, v, lr, bias1, rootBias2 }, { beta1, beta2, eps, weightDecay }) {
    const first = m!.mul(beta1).add(grad!.mul(1 - beta1))
    const second = v!.mul(beta2).add(grad!.mul(grad!).mul(1 - beta2))
    const kept = weightDecay === 0 ? param! : param!.mul(constant(1).sub(lr!.mul(weightDecay)))
    const stepped = kept.sub(first.mul(lr!.div(bias1!)).div(sqrt(second).div(rootBias2!).add(eps)))
    return { param: stepped, m: first, v: second }
  },
  scalars: (step, { beta1, beta2 }) => ({ bias1: 1 - beta1 ** step, rootBias2: Math.sqrt(1 - beta2 ** step) }),
})
