import { z } from 'zod'
import { count, type Family, layerCount, llamaTensors, readShared, writeShared } from './family.ts'
import { readUsedWindow, writeUsedWindow } from './qwen2.ts'

const fields = z.looseObject({
  num_hidden_layers: layerCount,
  no_rope_layers: z.array(z.int()).nullish(),
  no_rope_layer_interval: count.nullish(),
})

/**
 * Llama whose every fourth block does not rotate positions; those are the blocks that may have a window.
 *
 * source  Bakouch et al. 2025, https://huggingface.co/blog/smollm3; blocks without positions: Yang et al. 2025, arXiv:2501.18795
 */
export const smollm3: Family = {
  architecture: 'SmolLM3ForCausalLM',
  read(ask) {
    const { num_hidden_layers: n, no_rope_layers: rotated, no_rope_layer_interval: interval } = ask.parse(fields)
    ask.must(!rotated || rotated.length >= n, `no_rope_layers must have an entry for each of ${n} layers`, rotated?.length)
    const all = Array.from({ length: n }, (_, i) => i)
    const unrotated = all.filter((i) => (rotated ? rotated[i] === 0 : (i + 1) % (interval ?? 4) === 0))
    return {
      ...readShared('smollm3', ask, { contextLength: 32_768, normEps: 1e-6, tied: true, ropeTheta: 2_000_000, mayHaveBiases: 'all' }),
      ...readUsedWindow(ask, (layer) => unrotated.includes(layer)),
      ...(unrotated.length > 0 ? { unrotated } : {}),
    }
  },
  write: (config) => ({
    ...writeShared(config),
    ...writeUsedWindow(config),
    mlp_bias: config.biases?.includes('down') ?? false,
    no_rope_layers: Array.from({ length: config.layers }, (_, i) => (config.unrotated?.includes(i) ? 0 : 1)),
  }),
  base: 'model.',
  tensors: llamaTensors,
}
