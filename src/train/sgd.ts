import { defineOptimizer } from './optimizer.ts'

/**
 * Gradient descent, with momentum where that is above 0: v ← μ·v + g, w ← w − lr·v; Nesterov's form takes g + μ·v for v. Weight decay is part
 * of the gradient.
 *
 * units   lr in parameters per gradient; weightDecay in gradients per parameter
 * source  Sutskever et al. 2013, ICML, section 2, with PyTorch's order of operations
 */
export const sgd = defineOptimizer({
  name: 'sgd',
  about: 'A step against the gradient, or against a running sum of gradients.',
  source: 'Sutskever et al. 2013, ICML, section 2',
  params: {
    lr: { about: 'learning rate', default: 1e-3, unit: 'parameter/gradient', above: 0 },
    momentum: { about: 'decay of the running sum; 0 keeps none', default: 0, unit: '', atLeast: 0, below: 1 },
    form: { about: 'of the momentum: the running sum itself, or Nesterov’s look ahead', default: 'plain', choices: ['plain', 'nesterov'] },
    weightDecay: { about: 'added to the gradient, times the parameter', default: 0, unit: 'gradient/parameter', atLeast: 0 },
  },

  state: ({ momentum }) => (momentum > 0 ? ['v'] : []),
  update({ param, grad, v, lr }, { momentum, form, weightDecay }) {
    const g = weightDecay === 0 ? grad! : grad!.add(param!.mul(weightDecay))
    if (!v) return { param: param!.sub(g.mul(lr!)) }
    const sum = v.mul(momentum).add(g)
    const along = form === 'nesterov' ? g.add(sum.mul(momentum)) : sum
    return { param: param!.sub(along.mul(lr!)), v: sum }
  },
})
