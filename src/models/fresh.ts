import { type Tensor, tensor } from '../graph/index.ts'
import { random } from '../random/index.ts'
import type { DecoderConfig } from './config.ts'
import { type DecoderParams, decoderParams } from './params.ts'

/**
 * Parameters to begin pretraining with: matrices normal with standard deviation 0.02, those that write into the residual stream (attn.o,
 * mlp.down) divided by √(2 · layers), norms 1, biases 0.
 *
 * source  Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.3, with the 0.02 of Radford et al. 2018
 */
export function freshParams(config: DecoderConfig, seed: number): DecoderParams<Tensor> {
  return decoderParams(config, (path, shape) => {
    const size = shape.reduce((product, n) => product * n, 1)
    if (shape.length === 1) return tensor(new Float32Array(size).fill(/norm/i.test(path) ? 1 : 0), shape)
    const residual = path.endsWith('.attn.o') || path.endsWith('.mlp.down')
    const sd = residual ? 0.02 / Math.sqrt(2 * config.layers) : 0.02
    return tensor(
      Float32Array.from(random(seed, `fresh/${path}`).normals(size), (z) => sd * z),
      shape,
    )
  })
}
