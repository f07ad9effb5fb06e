import { type Tensor, tensor } from '../graph/index.ts'
import { philox } from '../random/uniform.ts'
import type { DecoderConfig } from './config.ts'
import { type DecoderParams, decoderParams } from './params.ts'

/**
 * Parameters to begin pretraining with: matrices normal with standard deviation 0.02, those that write into the residual stream (attn.o,
 * mlp.down) divided by √(2 · layers), norms 1, biases 0.
 *
 * source  Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.3, with the 0.02 of Radford et al. 2018
 */
export function freshParams(config: DecoderConfig, seed: number): DecoderParams<Tensor> {
  let leaf = 0
  return decoderParams(config, (_, shape, path) => {
    const own = leaf++
    const size = shape.reduce((product, n) => product * n, 1)
    if (shape.length === 1) return tensor(new Float32Array(size).fill(/norm/i.test(path) ? 1 : 0), shape)
    const residual = path.endsWith('.attn.o') || path.endsWith('.mlp.down')
    return tensor(normals(size, residual ? 0.02 / Math.sqrt(2 * config.layers) : 0.02, own, seed), shape)
  })
}

/** Each block of Philox is four words, so two pairs of normals. */
function normals(size: number, sd: number, stream: number, seed: number): Float32Array {
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0] as const
  const values = new Float32Array(size)
  for (let i = 0; i < size; i += 4) {
    const words = philox([i / 4, stream, 0, 0x66726573], key)
    for (const pair of [0, 2]) {
      const radius = sd * Math.sqrt(-2 * Math.log((words[pair]! + 0.5) / 2 ** 32))
      const angle = (2 * Math.PI * words[pair + 1]!) / 2 ** 32
      values[i + pair] = radius * Math.cos(angle)
      values[i + pair + 1] = radius * Math.sin(angle)
    }
  }
  return values
}
