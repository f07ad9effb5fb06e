import { type Family, readShared, sandwichTensors, writeShared } from './family.ts'

/**
 * Llama normed after attention and MLP instead of before, with queries and keys normed over their whole width.
 *
 * source  OLMo team 2025, arXiv:2501.00656
 */
export const olmo2: Family = {
  architecture: 'Olmo2ForCausalLM',
  read: (ask) => ({
    ...readShared('olmo2', ask, { contextLength: 2048, normEps: 1e-5, tied: false, ropeTheta: 10_000, mayHaveBiases: 'attention' }),
    normed: 'after',
    qkNorm: 'whole',
  }),
  write: writeShared,
  base: 'model.',
  tensors: sandwichTensors,
}
