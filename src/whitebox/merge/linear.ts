import { UserError } from '../../graph/errors.ts'
import { mergeMethod } from './method.ts'

/** Σ w·θ, over Σ w where weights are normalised. */
export const linear = mergeMethod({
  name: 'linear',
  about: 'Σ w·θ / Σ w',
  source: 'Wortsman et al. 2022, arXiv:2203.05482, section 2',
  base: 'one of the models',
  models: { least: 1 },
  parameters: {
    weight: { of: 'model', kind: 'number', about: 'what the model counts' },
    normalize: { of: 'merge', kind: 'switch', default: true, about: 'divide by the sum of the weights' },
  },

  merge({ name, tensors }, { weight, normalize }) {
    const total = normalize ? sumOfWeights(name, weight) : 1
    const [out] = tensors
    for (let i = 0; i < out!.length; i++) {
      let sum = 0
      for (let m = 0; m < tensors.length; m++) sum += weight[m]! * tensors[m]![i]!
      out![i] = sum / total
    }
    return out!
  },
})

/**
 * What weights add up to, where something is divided by it.
 *
 * throws  UserError when they cancel
 */
export function sumOfWeights(tensor: string, weight: readonly number[]): number {
  const total = weight.reduce((a, b) => a + b, 0)
  const size = weight.reduce((a, b) => a + Math.abs(b), 0)
  if (Math.abs(total) > 1e-12 * size) return total
  throw new UserError(
    `${tensor}: weights that are normalised must not add up to 0, got ${weight.join(' and ')}; change one, or say that they are not normalised`,
  )
}
