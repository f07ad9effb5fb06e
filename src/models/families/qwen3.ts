import { type Family, llamaTensors, readShared, writeShared } from './family.ts'
import { readUsedWindow, writeUsedWindow } from './qwen2.ts'

/**
 * Llama whose queries and keys are normed head by head.
 *
 * source  Yang et al. 2025, arXiv:2505.09388
 */
export const qwen3: Family = {
  architecture: 'Qwen3ForCausalLM',
  read: (ask) => ({
    ...readShared('qwen3', ask, {
      contextLength: 32_768,
      normEps: 1e-6,
      tied: false,
      ropeTheta: 10_000,
      headDim: 128,
      mayHaveBiases: 'attention',
    }),
    ...readUsedWindow(ask),
    qkNorm: 'head',
  }),
  write: (config) => ({ ...writeShared(config), ...writeUsedWindow(config) }),
  base: 'model.',
  tensors: llamaTensors,
}
