import { type Family, llamaTensors, readShared, writeShared } from './family.ts'

/**
 * Llama 2 and 3, SmolLM 1 and 2, TinyLlama: RMSNorm before attention and MLP, rotary positions, grouped queries, a gated MLP.
 *
 * source  Touvron et al. 2023, arXiv:2307.09288; Llama team 2024, arXiv:2407.21783
 */
export const llama: Family = {
  architecture: 'LlamaForCausalLM',
  read: (ask) => readShared('llama', ask, { contextLength: 2048, normEps: 1e-6, tied: false, ropeTheta: 10_000, mayHaveBiases: 'all' }),
  write: (config) => ({ ...writeShared(config), mlp_bias: config.biases?.includes('down') ?? false }),
  base: 'model.',
  tensors: llamaTensors,
}
