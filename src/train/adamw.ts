import { constant, input, type Shape, sqrt, UserError, type Value } from '../graph/index.ts'

/** An optimizer as a definition: which arrays it keeps per parameter, and its update as a graph. */
export interface Optimizer {
  readonly name: string
  readonly params: Readonly<Record<string, number>>
  /** Names of the arrays it keeps beside each parameter, zeros at the start. */
  readonly state: readonly string[]
  /** New parameter and state from the old ones and the gradient; every value has one shape, or is a scalar. */
  update(given: Readonly<Record<string, Value>>): Record<string, Value>
  /** Scalars that change from step to step (counting from 1), beside `lr` and `clip`. */
  scalars(step: number): Record<string, number>
}

/**
 * Adam with decoupled weight decay. `clip` is what the gradient is multiplied by before anything else.
 *
 * units   lr per step; eps in units of the gradient; weightDecay per unit of lr
 * source  Loshchilov & Hutter 2019, arXiv:1711.05101, with PyTorch's order of operations
 */
export function adamw(options: Partial<Record<'lr' | 'beta1' | 'beta2' | 'eps' | 'weightDecay', number>> = {}): Optimizer {
  const params = { lr: 5e-5, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, ...options }
  const { lr, beta1, beta2, eps, weightDecay } = params
  const must = (name: string, holds: boolean, rule: string, got: number) => {
    if (!holds) throw new UserError(`optimizer.${name}: must be ${rule}, got ${got}`)
  }
  must('lr', lr > 0, 'above 0', lr)
  must('beta1', beta1 >= 0 && beta1 < 1, 'from 0 to below 1', beta1)
  must('beta2', beta2 >= 0 && beta2 < 1, 'from 0 to below 1', beta2)
  must('eps', eps > 0, 'above 0', eps)
  must('weightDecay', weightDecay >= 0, '0 or more', weightDecay)
  return {
    name: 'adamw',
    params,
    state: ['m', 'v'],
    update({ param, grad, m, v, lr: rate, clip, bias1, rootBias2 }) {
      const g = grad!.mul(clip!)
      const first = m!.mul(beta1).add(g.mul(1 - beta1))
      const second = v!.mul(beta2).add(g.mul(g).mul(1 - beta2))
      const kept = weightDecay === 0 ? param! : param!.mul(constant(1).sub(rate!.mul(weightDecay)))
      const stepped = kept.sub(first.mul(rate!.div(bias1!)).div(sqrt(second).div(rootBias2!).add(eps)))
      return { param: stepped, m: first, v: second }
    },
    scalars: (step) => ({ bias1: 1 - beta1 ** step, rootBias2: Math.sqrt(1 - beta2 ** step) }),
  }
}

/** The update of an optimizer traced over one array length: inputs param, grad, its state and the scalars by name. */
export function traceUpdate(optimizer: Optimizer, shape: Shape = [4]) {
  const arrays = Object.fromEntries(['param', 'grad', ...optimizer.state].map((name) => [name, input(name, shape)]))
  const scalars = Object.fromEntries(['lr', 'clip', ...Object.keys(optimizer.scalars(1))].map((name) => [name, input(name, [])]))
  return { inputs: { ...arrays, ...scalars }, outputs: optimizer.update({ ...arrays, ...scalars }) }
}
